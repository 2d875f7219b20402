"""Reads that fail and would not fail again: a network file system, the Hub.

A few attempts, with pauses that double and are never the same for two processes that met the same
fault (jitter); then the error goes on to whoever names what was being read. What a retry cannot
mend, such as a file that is not there, is never tried again.

Why not a package such as tenacity: the loop is ten lines, and what matters, which errors pass by
themselves, it leaves to its user. Files that are mapped into memory (safetensors, the cache of
`datasets`) are out of reach: there a fault is no error but a signal, which ends the process.
"""

from __future__ import annotations

import errno
import io
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

Read = TypeVar("Read")

PAUSES = (0.25, 0.5, 1.0, 2.0)  # seconds; each up to half as long again
# What a network file system says while its server is away, or has moved a file.
TRANSIENT = frozenset(
    getattr(errno, name)
    for name in (
        "EAGAIN",
        "ECONNABORTED",
        "ECONNREFUSED",
        "ECONNRESET",
        "EHOSTDOWN",
        "EHOSTUNREACH",
        "EIO",
        "ENETDOWN",
        "ENETRESET",
        "ENETUNREACH",
        "EREMOTEIO",
        "ESTALE",
        "ETIMEDOUT",
    )
    if hasattr(errno, name)
)


def patiently(read: Callable[[], Read], transient: Callable[[BaseException], bool]) -> Read:
    """Read, and try again after each fault that may pass.

    Args:
        read: Called anew for every attempt.
        transient: Whether an error may pass.

    Raises:
        Exception: What the last attempt raised.
    """
    for pause in PAUSES:
        try:
            return read()
        except Exception as error:
            if not transient(error):
                raise
        time.sleep(pause * random.uniform(1, 1.5))  # noqa: S311 (jitter, not a secret)
    return read()


def file_fault(error: BaseException) -> bool:
    """Tell whether a file system's error may pass.

    >>> file_fault(OSError(errno.ESTALE, "Stale file handle")), file_fault(FileNotFoundError())
    (True, False)
    """
    return isinstance(error, OSError) and error.errno in TRANSIENT


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: It cannot be read.
    """
    return patiently(path.read_bytes, file_fault)


def open_patiently(path: Path) -> IO[bytes]:
    """Open a file whose every read is tried again where that may help.

    Raises:
        OSError: It cannot be opened.
    """
    return io.BufferedReader(_PatientFile(path), buffer_size=1 << 16)


class _PatientFile(io.RawIOBase):
    """A file that is opened anew after a fault, since a stale handle stays stale."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = patiently(self._open, file_fault)

    def _open(self) -> io.FileIO:
        return io.FileIO(self.path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: Any) -> int:
        place = self.file.tell()

        def read() -> int:
            if self.file.closed:
                self.file = self._open()
            try:
                self.file.seek(place)
                return self.file.readinto(buffer) or 0
            except OSError:
                self.file.close()
                raise

        return patiently(read, file_fault)

    def close(self) -> None:
        self.file.close()
        super().close()
