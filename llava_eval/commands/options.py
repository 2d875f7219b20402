"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

DATA_HELP = (
    "where the rows come from: mini, hub, a Hub data set owner/name, a parquet, jsonl or tsv "
    "file, a save_to_disk folder, or LLaVA's playground/data/eval"
)


def add_tasks_dir(parser: argparse.ArgumentParser) -> None:
    """Add the flag of the user's own cards."""
    parser.add_argument("--tasks-dir", type=Path, metavar="DIR", help="cards of your own")


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas between.

    >>> split_names("pope, mme,")
    ('pope', 'mme')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())
