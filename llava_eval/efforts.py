"""What answering took: time, memory, tokens, and how far a run was when."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_POINTS = 100  # of a run's progress: enough for a plot


@dataclass(frozen=True)
class Effort:
    """What it took to answer some requests.

    Attributes:
        answered: How many, failed ones included.
        seconds: By the clock.
        stages: Seconds of each stage of the engine, if it says.
        peak_memory_bytes: The most that the engine held, if it says.
        notes: What else happened, such as a shortage of memory.
        usage: Requests, retries, tokens and cost of a server, and who answered.
        progress: Seconds and requests answered by then, at some points of the way.
    """

    answered: int
    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    notes: Sequence[str] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    progress: Sequence[tuple[float, int]] = ()


class Progress:
    """When how many requests were answered: evenly spread points, however many batches come.

    Attributes:
        points: Seconds since the beginning, and requests answered by then.

    >>> progress = Progress()
    >>> for _ in range(1000):
    ...     progress.add(32)
    >>> len(progress.points) <= MOST_POINTS, progress.points[-1][1] > 31_000
    (True, True)
    """

    def __init__(self) -> None:
        self.points: list[tuple[float, int]] = []
        self._started = time.perf_counter()
        self._batches, self._answered, self._each = 0, 0, 1

    @property
    def seconds(self) -> float:
        """Return the time since the beginning."""
        return time.perf_counter() - self._started

    def add(self, answered: int) -> None:
        """Take note of a batch."""
        self._batches, self._answered = self._batches + 1, self._answered + answered
        if self._batches % self._each == 0:
            self.points.append((round(self.seconds, 3), self._answered))
        if len(self.points) > MOST_POINTS:
            self.points, self._each = self.points[1::2], 2 * self._each
