"""`python -m llava_eval.demo.mini --out FOLDER`: write the mini splits."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.demo.mini import MINI_SPLITS, write_split


def main() -> None:
    """Parse the command line and write the mini splits."""
    parser = argparse.ArgumentParser(description="Build the mini splits.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the splits")
    parser.add_argument("--task", choices=sorted(MINI_SPLITS), help="only this one")
    options = parser.parse_args()
    for task in [options.task] if options.task else sorted(MINI_SPLITS):
        path = write_split(task, options.out)
        print(f"{path} {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
