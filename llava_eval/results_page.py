"""The page of committed results: `python -m llava_eval.results_page results/README.md`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from llava_eval.files import write_json, write_text
from llava_eval.leaderboard import FORMATS, Choice, build_leaderboard
from llava_eval.records import Result
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.store import (
    PREDICTIONS,
    RESULT,
    find_runs,
    read_predictions,
    read_run,
    result_to_json,
)
from llava_eval.task import TABLE, load_task

INTRODUCTION = """# Results

Made by `make leaderboard` from the runs under `results/baselines/` and the numbers in
`results/published.yaml`; do not edit. [How to read it](../docs/leaderboard.md).

The demo is a tiny model on a small split of pictures of handwritten digits: it shows that the
harness works, and its numbers are comparable with nothing published.
"""


def rescored(folder: Path) -> Result:
    """Score the predictions of a committed run, by today's scorer.

    Raises:
        LlavaEvalError: The folder or its rows cannot be read.
    """
    run = read_run(folder)
    task = load_task(run["identity"]["task"])
    data = read_samples(task, run["environment"]["source"])
    return score_predictions(task, data, read_predictions(folder / PREDICTIONS))[1]


def results_page(folders: Sequence[Path]) -> str:
    """Return the page as Markdown.

    Args:
        folders: The committed runs.
    """
    board = build_leaderboard(folders, Choice(tasks=TABLE))
    return f"{INTRODUCTION}\n{FORMATS['md'](board)}\n"


def main(page: Path) -> None:
    """Score the runs in `baselines/` beside the page anew, then write it."""
    folders = find_runs([page.parent / "baselines"])
    for folder in folders:
        write_json(folder / RESULT, result_to_json(rescored(folder)))
    write_text(page, results_page(folders))
    print(f"written: {page}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
