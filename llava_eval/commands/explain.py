"""`llava-eval explain`: why a number is not the published one."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import add_tasks_dir
from llava_eval.console import say
from llava_eval.errors import RunError, UsageError
from llava_eval.explain import DEFAULT, explain, show_explanations
from llava_eval.paths import FOLDER, kind_of


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("run", type=Path, help="a run folder, or a folder of them")
    add("--against", default=DEFAULT, metavar="ROW", help=f"a row of the table ({DEFAULT})")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Print each run beside the published number."""
    if kind_of(options.run, RunError) != FOLDER:
        raise UsageError(f"{options.run}: no such folder of runs")
    say(show_explanations(explain(options.run, options.against, options.tasks_dir)))
    return 0
