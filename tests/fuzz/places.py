"""Where a target puts its bytes, and how they choose what they stand for."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path


@cache
def place() -> Path:
    """Return a folder that is removed when Python ends."""
    folder = tempfile.mkdtemp(prefix="llava-eval-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def file_of(name: str, content: bytes) -> Path:
    """Write a file below that folder."""
    path = place() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def chosen(data: bytes, names: Sequence[str]) -> tuple[str, bytes]:
    """Let the first byte choose; the others are the input."""
    return names[data[0] % len(names)] if data else names[0], data[1:]
