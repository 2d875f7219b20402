"""LLaVA's own evaluation folder, read into rows of the Hub's schema.

Each reader takes the folder of one benchmark below `playground/data/eval` and returns rows with
the columns of that benchmark's Hub data set, so that one column map serves both. Images are
named, not read: scoring needs none. `OFFICIAL` is the whole registry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llava_eval.official.pope import read_pope
from llava_eval.rows import Row

OFFICIAL: dict[str, Callable[[Path], list[Row]]] = {"pope": read_pope}
