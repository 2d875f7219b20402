"""Being told to end: Ctrl-C, and SIGTERM from a scheduler that wants the machine back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whoever cleans up after Ctrl-C cleans up after it too."""


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Make SIGTERM an exception, so that locks and files are closed on the way out.

    Python may set a handler in its main thread alone; in another this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
