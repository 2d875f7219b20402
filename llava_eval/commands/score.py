"""`llava-eval score`: score a file of predictions, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import DATA_HELP, add_tasks_dir
from llava_eval.console import result_table, say
from llava_eval.files import write_json
from llava_eval.grades import JUDGE, Grading, check_answers, read_grades, read_grading
from llava_eval.predictions import load_predictions
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.store import GRADES, result_to_json, write_scores
from llava_eval.task import load_task


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("task", help="name of the task")
    add("--data", required=True, metavar="SOURCE", help=DATA_HELP)
    add("--predictions", required=True, type=Path, metavar="FILE", help="jsonl, one per answer")
    add("--grades", type=Path, metavar="FILE", help="a judge's replies: jsonl of id and replies")
    add("--json", type=Path, metavar="FILE", help="write the result there")
    add("--scores", type=Path, metavar="FILE", help="write one line per row there")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Score, print the table, and write what was asked for."""
    task = load_task(options.task, options.tasks_dir)
    data = read_samples(task, options.data)
    predictions = load_predictions(options.predictions, task, data)
    given = _grading(options.grades)
    check_answers(given, predictions)
    scores, result = score_predictions(
        task, data, predictions, given.replies, given.judge, given.dialect
    )
    say(result_table(result))
    if options.json:
        write_json(options.json, result_to_json(result))
    if options.scores:
        write_scores(options.scores, scores)
    return 0


def _grading(path: Path | None) -> Grading:
    """Read grades: of a run folder, with whose they are; else as they are."""
    if path is None:
        return Grading()
    ours = path.name == GRADES and (path.parent / JUDGE).exists()
    return read_grading(path.parent) if ours else read_grades(path)
