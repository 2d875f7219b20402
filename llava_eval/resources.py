"""Where the files that ship with the package are: cards, mini splits, published numbers."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def resource(relative: str) -> Path:
    """Return the path of a shipped file or folder.

    In a wheel `tasks/` and `results/` lie inside the package, in a checkout (editable or not)
    beside it.

    Args:
        relative: Path below the top of the repository, such as "tasks/pope.yaml".

    Raises:
        FileNotFoundError: The installation is incomplete.
    """
    for root in (PACKAGE, PACKAGE.parent):
        if (root / relative).exists():
            return root / relative
    raise FileNotFoundError(f"{relative}: not part of this installation of llava-eval")
