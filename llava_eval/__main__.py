"""`python -m llava_eval` is `llava-eval`."""

import sys

from llava_eval.cli import main

sys.exit(main())
