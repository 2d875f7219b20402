"""`llava-eval submit`: write the files that a server or an official scorer takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import add_tasks_dir
from llava_eval.console import say
from llava_eval.errors import UsageError
from llava_eval.store import find_runs
from llava_eval.submissions import submit_run
from llava_eval.tables import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("run", type=Path, help="a run folder, or a folder of them")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the run found them")
    add("--out", type=Path, metavar="DIR", help="(RUN/submission)")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the files, and say where they go."""
    folders = find_runs([options.run])
    if not folders:
        raise UsageError(f"{options.run}: no run in it")
    for folder in folders:
        out = options.out / folder.name if options.out and len(folders) > 1 else options.out
        written, goes_to = submit_run(folder, options.data, out, options.tasks_dir)
        say("\n".join(map(printable, [*map(str, written), goes_to])))
    return 0
