"""Standard output and error that are full, gone or closed: a command goes on without them.

A run of a night may write its output to a disk that fills up, or to a reader that ends. What it
finds out lies on disk; so a stream that fails is given up, the command ends as it would have, and
its exit code says that something was not told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast


class Stream:
    """A stream that is given up when it fails.

    Attributes:
        stream: Where the text goes.
        fault: Why it was given up; None while it works.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.fault: OSError | None = None

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        self._attempt(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is held back, if that is possible."""
        self._attempt(self.stream.flush)

    def _attempt(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            if self.fault is not None:
                raise
            self.fault = error
            # What is still held back would fail again, at the latest when Python ends.
            _to_nowhere(self.stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def lasting_streams() -> Iterator[tuple[Stream, Stream]]:
    """Let everything that writes to standard output and error write to streams that last."""
    _open_closed()
    out, err = Stream(sys.stdout), Stream(sys.stderr)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)):
        yield out, err


def _open_closed() -> None:
    """Open what a shell has closed (`>&-`), lest the next file be opened in its place."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            _to_nowhere(number)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8"))


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
