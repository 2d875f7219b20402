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
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

RUST_ERROR = re.compile(r"\(os error ([0-9]{1,9})\)")  # as std::io::Error says it


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


def wrapped_fault(error: BaseException) -> bool:
    """Tell whether a file system's error that may pass is behind the error of a library.

    Libraries in Rust leave nothing of it but words.

    >>> wrapped_fault(Exception("Stale file handle (os error 116)"))
    True
    """
    cause: BaseException | None = error
    while cause is not None:
        number = RUST_ERROR.search(str(cause))
        if file_fault(cause) or (number and int(number[1]) in TRANSIENT):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """

    def read() -> bytes:
        with _open_regular(path) as file, _named(path):
            return file.readall()

    return patiently(read, file_fault)


def open_patiently(path: Path) -> IO[bytes]:
    """Open a file whose every read is tried again where that may help.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    return io.BufferedReader(_PatientFile(path), buffer_size=1 << 16)


def _open_regular(path: Path) -> io.FileIO:
    """Open a file, nothing else: a pipe is waited for without end, a device fills the memory."""
    file = io.FileIO(path, opener=_open_without_waiting)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Give the name of a file to an error of reading, which has none."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # which Windows lacks


class _PatientFile(io.RawIOBase):
    """A file that is opened anew after a fault, since a stale handle stays stale."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = patiently(self._open, file_fault)

    def _open(self) -> io.FileIO:
        return _open_regular(self.path)

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
                with _named(self.path):
                    self.file.seek(place)
                    return self.file.readinto(buffer) or 0
            except OSError:
                self.file.close()
                raise

        return patiently(read, file_fault)

    def close(self) -> None:
        self.file.close()
        super().close()
