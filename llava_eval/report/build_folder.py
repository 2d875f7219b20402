"""The folder of a report: somebody else's is never touched."""

from __future__ import annotations

import shutil
from pathlib import Path

from llava_eval.errors import RunError, UsageError, why
from llava_eval.files import write_json
from llava_eval.paths import FILE, FOLDER, entries, kind_of
from llava_eval.store import read_json
from llava_eval.version import __version__

MARKER = "report.json"
PAGE = "index.html"
FIGURES = "figures"
FOLDERS = ("data", "images", FIGURES)
KIND = "llava-eval report"


def prepare_folder(out: Path) -> None:
    """Make a folder for a report, or clear the report that is there.

    What is removed is what a report consists of; other files in the folder stay.

    Args:
        out: Made if it does not exist.

    Raises:
        UsageError: It is a file, or a folder that is neither empty nor a report of ours.
        RunError: It cannot be written.
    """
    if kind_of(out, RunError) not in ("", FOLDER):
        raise UsageError(f"--out {out}: is no folder; name another")
    if entries(out, RunError) and not is_report(out):
        raise UsageError(
            f"--out {out}: holds something that is no report of ours; name an empty or new folder"
        )
    try:
        for name in FOLDERS:
            _remove(out / name)
        (out / PAGE).unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {why(error)}; see --out") from error
    # First of all, so that a report that was cut off is known as one and made again.
    write_json(out / MARKER, {"kind": KIND, "llava_eval": __version__})


def is_report(folder: Path) -> bool:
    """Whether a folder holds a report that this program wrote.

    Raises:
        RunError: It cannot be looked at.
    """
    if kind_of(folder / MARKER, RunError) != FILE:
        return False
    try:
        return read_json(folder / MARKER).get("kind") == KIND
    except RunError:  # not even JSON: somebody else's
        return False


def _remove(path: Path) -> None:
    """Remove a folder of ours; of a link to another place, only the link."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
