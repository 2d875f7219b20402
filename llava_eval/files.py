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
Neither goes through a link or into a pipe: a run folder may be somebody else's, and its
`predictions.jsonl` a link to a file of the user's own.
The folder itself is not synced: file systems with a journal keep its changes in order, so what is
lost by that is at most the last change of a whole file, never a part of one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from llava_eval.errors import RunError, why
from llava_eval.paths import FILE, LOST, files_in, kind_of
from llava_eval.records import Json

PART = ".part"
# Windows has neither, and no pipe in a folder.
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


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
    """Write a UTF-8 file, whole or not at all.

    Raises:
        RunError: It cannot be written, or what is there is no file.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        RunError: It cannot be written, or what is there is no file.
    """
    if kind_of(path, RunError) not in ("", FILE, LOST):  # /dev/null would be replaced by a file
        raise RunError(f"{path}: is no file; name another")
    # Two processes may write one table: each has a part of its own.
    part = path.parent / f"{path.name}.{os.getpid()}{PART}"
    try:
        part.unlink(missing_ok=True)
        with part.open("xb") as file:  # "x": through nobody's link
            file.write(content)
            _sync(file.flush, file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise RunError(f"{path}: cannot be written: {why(error)}") from error


def make_folder(path: Path) -> None:
    """Make a folder in a folder of runs, if it is not there.

    Raises:
        RunError: It cannot be made, or is a link, which the folder's owner may not have made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {why(error)}; see --out") from error
    if os.path.islink(path):
        raise RunError(f"{path}: is a link, and not written through; see --out")


def remove_parts(folder: Path) -> None:
    """Remove what a process that was killed has left of whole files; nobody may be writing.

    Raises:
        RunError: One cannot be removed.
    """
    for part in files_in(folder, f"*.json*.[0-9]*{PART}", RunError):
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"{part}: cannot be removed: {why(error)}") from error


def append(path: Path, content: bytes) -> None:
    """Add to a file, which is made if it does not exist.

    Raises:
        OSError: It cannot be written; a part of `content` may have been.
        RunError: It is a link, or no file.
    """
    with open_to_change(path, "ab") as file:
        file.write(content)
        _sync(file.flush, file.fileno())


def open_to_change(path: Path, mode: str) -> IO[bytes]:
    """Open a file that is changed in its place.

    Args:
        path: Of a file; nothing is waited for, and no link is followed.
        mode: As `open` has it, binary.

    Raises:
        OSError: It cannot be opened.
        RunError: It is a link, or no file.
    """
    return open(path, mode, opener=_open_file)


def _open_file(path: str, flags: int) -> int:
    try:
        file = os.open(path, flags | NO_LINK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EMLINK):
            raise
        raise RunError(f"{path}: is a link, and not written through; move it away") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise RunError(f"{path}: is no file; move it away")
    return file


def _sync(flush: Callable[[], None], descriptor: int) -> None:
    flush()
    os.fsync(descriptor)
