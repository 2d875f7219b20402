"""The page of committed results: `python -m llava_eval.results_page results/README.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from llava_eval.leaderboard import FORMATS, Choice, build_leaderboard
from llava_eval.store import find_runs, write_text
from llava_eval.task import TABLE

INTRODUCTION = """# Results

Made by `make leaderboard` from the runs under `results/baselines/` and the numbers in
`results/published.yaml`; do not edit. How to read it: [docs/leaderboard.md](../docs/leaderboard.md).

The demo is a tiny model on a small split of pictures of handwritten digits: it shows that the
harness works, and its numbers are comparable with nothing published.
"""


def results_page(baselines: Path) -> str:
    """Return the page as Markdown.

    Args:
        baselines: Folder of the committed runs.
    """
    board = build_leaderboard(find_runs([baselines]), Choice(tasks=TABLE))
    return f"{INTRODUCTION}\n{FORMATS['md'](board)}\n"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    write_text(page, results_page(page.parent / "baselines"))
    print(f"written: {page}")
