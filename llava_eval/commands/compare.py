"""`llava-eval compare`: a candidate against a baseline, for CI."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import add_tasks_dir
from llava_eval.comparison import compare
from llava_eval.comparison_formats import FORMATS
from llava_eval.console import say


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("baseline", type=Path, metavar="BASELINE", help="a run folder, or a folder of them")
    add("candidate", type=Path, metavar="CANDIDATE", help="the same")
    add(
        "--max-drop",
        type=float,
        default=0.5,
        metavar="PERCENT",
        help="drop that is allowed, in percent of a metric's full scale (0.5)",
    )
    add("--format", choices=FORMATS, default="text")
    add("--tasks", metavar="A,B", help="names with commas between (all of the baseline)")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the candidate has them")
    add("--force", action="store_true", help="compare what is not comparable, and say so")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Compare, and return 0, 3 for a regression or 4 for an open question."""
    comparison = compare(
        options.baseline,
        options.candidate,
        max_drop=options.max_drop,
        force=options.force,
        tasks=options.tasks,
        data=options.data,
        tasks_dir=options.tasks_dir,
    )
    say(FORMATS[options.format](comparison))
    return comparison.exit_code
