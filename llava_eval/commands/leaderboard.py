"""`llava-eval leaderboard`: all results in one table."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import add_tasks_dir, split_names
from llava_eval.console import say
from llava_eval.errors import RunError, UsageError
from llava_eval.files import write_text
from llava_eval.leaderboard import FORMATS, Choice, build_leaderboard, refuse_mixture
from llava_eval.paths import FOLDER, kind_of
from llava_eval.store import find_runs


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("runs", nargs="*", type=Path, metavar="RUN", help="(results/runs)")
    add("--format", choices=FORMATS, default="text")
    add("--tasks", default="", metavar="A,B", help="columns, in this order (what was measured)")
    add("--models", default="", metavar="A,B", help="rows whose names have one of these in them")
    add("--sort", default="", metavar="TASK", help="highest number first")
    add("--strict", action="store_true", help="refuse numbers that are not their column's")
    add("--out", type=Path, metavar="FILE", help="write the table there")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the table, or write it."""
    missing = [path for path in options.runs if kind_of(path, RunError) != FOLDER]
    if missing:
        raise UsageError(f"{missing[0]}: no such folder of runs")
    runs = options.runs or [Path("results/runs")]
    choice = Choice(split_names(options.tasks), split_names(options.models), options.sort)
    board = build_leaderboard(find_runs(runs), choice, tasks_dir=options.tasks_dir)
    if options.strict:
        refuse_mixture(board)
    table = FORMATS[options.format](board)
    if options.out:
        write_text(options.out, table + "\n")
    else:
        say(table)
    return 0
