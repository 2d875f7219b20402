"""`llava-eval tasks`: list the tasks."""

from __future__ import annotations

import argparse

from llava_eval.commands.options import add_tasks_dir
from llava_eval.console import say
from llava_eval.tables import text_table
from llava_eval.task import load_task, task_names


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Print name, title, primary metric and rows of every task."""
    rows = [["task", "title", "primary metric", "rows"]]
    for name in task_names(options.tasks_dir):
        task = load_task(name, options.tasks_dir)
        counts = " or ".join(f"{count:,}" for count in task.versions)
        rows.append([name, task.title, task.primary, counts])
    say(text_table(rows))
    return 0
