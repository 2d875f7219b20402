"""Files that survive whatever ends the process that writes them.

Two ways of writing, and both end in `fsync`, so that a power cut takes no more than a kill does:

    whole       `write_text`: into a file of another name, which then takes the place of the old
                one. A reader meets the old file or the new one, never a part of either. Without
                `fsync` a power cut can leave an empty file under the new name.
    line by line `append`: lines that arrived before stay, whatever happens to the last one.
                Without `fsync` the system may hold half a minute of answers in memory.

`fsync` took 0.2 ms on the machine of docs/faults.md, takes a few ms on most disks and network
file systems, and comes once for a batch, which takes the model much longer. A full disk shows
there too: network file systems accept what they have no room for, and say so only then.
The folder itself is not synced: file systems with a journal keep its changes in order, so what is
lost by that is at most the last change of a whole file, never a part of one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from llava_eval.errors import RunError
from llava_eval.records import Json

PART = ".part"


def write_json(path: Path, content: Json) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        RunError: It cannot be written.
    """
    write_text(path, json_text(content, indent=2))


def json_text(content: Json, indent: int | None = None) -> str:
    """Write JSON to be read by people; half a surrogate pair, which UTF-8 lacks, as an escape."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        text = json.dumps(content, indent=indent)
    return text + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        RunError: It cannot be written, or what is there is no file.
    """
    if path.exists() and not path.is_file():  # /dev/null would be replaced by a file
        raise RunError(f"{path}: is no file; name another")
    # Two processes may write one table: each has a part of its own.
    part = path.parent / f"{path.name}.{os.getpid()}{PART}"
    try:
        part.unlink(missing_ok=True)
        with part.open("x", encoding="utf-8", newline="\n") as file:  # "x": through nobody's link
            file.write(text)
            _sync(file.flush, file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {error.strerror}") from error


def remove_parts(folder: Path) -> None:
    """Remove what a process that was killed has left of whole files; nobody may be writing."""
    for part in folder.glob(f"*{PART}"):
        part.unlink(missing_ok=True)


def append(path: Path, content: bytes) -> None:
    """Add to a file, which is made if it does not exist.

    Raises:
        OSError: It cannot be written; a part of `content` may have been.
    """
    with path.open("ab") as file:
        file.write(content)
        _sync(file.flush, file.fileno())


def _sync(flush: Callable[[], None], descriptor: int) -> None:
    flush()
    os.fsync(descriptor)
