"""How many samples of a task may fail before its run is plainly broken."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_eval.errors import RunError, UsageError
from llava_eval.records import Prediction

REASONS = 3  # named in the message; the others are in predictions.jsonl


@dataclass(frozen=True)
class FailureLimit:
    """How many samples of a task may fail.

    A share is of all the task's rows, asked or not: what cannot be read fails first, and would be
    all of what was asked by then.

    Attributes:
        count: So many may.
        share: So large a share may, from 0 to 1, if that is more.
        in_a_row: So many batches in a row of which nothing was answered stop a run; 0: none do.
    """

    count: int = 0
    share: float = 0.0
    in_a_row: int = 0

    def allowed(self, rows: int) -> int:
        """Return how many of so many rows may fail.

        >>> PLAINLY_BROKEN.allowed(60), PLAINLY_BROKEN.allowed(8910), PLAINLY_BROKEN.allowed(0)
        (10, 89, 10)
        """
        # 7 % of 100 is 7.000000000000001 in binary; 0.29 * 100 is 28.999999999999996
        return max(self.count, math.floor(round(self.share * rows, 9)))


# A batch that fails is an image or two, out of memory; three in a row are the engine. In a set of
# 60 questions 1 % is none, and ten are no night's work.
PLAINLY_BROKEN = FailureLimit(count=10, share=0.01, in_a_row=3)


def read_limit(text: str | int | None) -> FailureLimit:
    """Read `--max-failures`: a number of samples, or a share with a percent sign.

    Args:
        text: None for the default: three batches in a row, or more than 1 % of the rows, once
            more than ten have failed.

    Raises:
        UsageError: It is neither.

    >>> read_limit("2.5%").allowed(1000), read_limit(0).allowed(1000)
    (25, 0)
    """
    if text is None:
        return PLAINLY_BROKEN
    given = re.fullmatch(r"(\d{1,9})|(\d{1,3}(?:\.\d{1,9})?) ?%", str(text).strip(), re.ASCII)
    if given is None or float(given[2] or 0) > 100:
        raise UsageError(
            f"--max-failures {text}: must be a number of samples, as 20, or a share of them, as 2%"
        )
    return FailureLimit(count=int(given[1] or 0), share=float(given[2] or 0) / 100)


class FailureCount:
    """Counts the failed samples of a task, and stops its run when there are too many."""

    def __init__(self, limit: FailureLimit, rows: int, folder: Path) -> None:
        """Start with nothing.

        Args:
            limit: What may fail.
            rows: Of the task.
            folder: Which run the message is about.
        """
        self.limit, self.rows, self.folder = limit, rows, folder
        self.answered, self.in_a_row = 0, 0
        self.reasons: Counter[str] = Counter()

    def add_earlier(self, predictions: Iterable[Prediction]) -> None:
        """Count what an earlier run in the same folder asked.

        Raises:
            RunError: Too much of it failed.
        """
        self._count(predictions)
        self._check()

    def add(self, batch: Sequence[Prediction]) -> None:
        """Count a batch.

        Raises:
            RunError: Too many samples have failed, or too many batches in a row.
        """
        self._count(batch)
        self.in_a_row = self.in_a_row + 1 if all(p.failed for p in batch) else 0
        if self.limit.in_a_row and self.in_a_row >= self.limit.in_a_row:
            raise self._broken(f"{self.in_a_row} failed batches in a row")
        self._check()

    def check_answered(self) -> None:
        """Check that there is anything to score.

        Raises:
            RunError: Everything failed.
        """
        if self.answered and self.reasons.total() == self.answered:
            raise self._broken(f"all {self.answered:,} requests failed")

    def _count(self, predictions: Iterable[Prediction]) -> None:
        for prediction in predictions:
            self.answered += 1
            if prediction.failed:
                self.reasons[prediction.error] += 1

    def _check(self) -> None:
        failed, allowed = self.reasons.total(), self.limit.allowed(self.rows)
        if failed > allowed:
            raise self._broken(
                f"{failed:,} of {self.rows:,} samples failed, {allowed:,} may (--max-failures)"
            )

    def _broken(self, what: str) -> RunError:
        most = self.reasons.most_common(REASONS)
        reasons = "; ".join(f"{count:,} x {reason!r}" for reason, count in most)
        more = len(self.reasons) - len(most)
        others = f"; {more:,} other reasons in predictions.jsonl" if more else ""
        return RunError(
            f"{self.folder}: stopped after {what}: {reasons}{others}; put it right and run the "
            "same command with --retry-failed"
        )
