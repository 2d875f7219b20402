"""What is in the table, before it is anybody's format."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from llava_eval.identity import Identity
from llava_eval.records import Estimate, Result


@dataclass(frozen=True)
class Entry:
    """One result on disk."""

    folder: Path
    result: Result
    identity: Identity
    recorded: dict[str, str]


@dataclass(frozen=True)
class Figure:
    """One number of a task besides the primary one: what only the spreadsheet has."""

    group: str
    metric: str
    estimate: Estimate


@dataclass(frozen=True)
class Cell:
    """One number of the table.

    Attributes:
        metric: Its name: the task's primary metric.
        unit: "percent" or "points".
        estimate: Value and interval; a published number has a value alone.
        entry: Where it was measured; None for a published number.
        reasons: Why it is not the column's number, in words; none if it is.
        mark: Of these reasons, such as "†1".
        rank: Among the numbers of the same identity, such as "2="; "" for the only one.
        best: Whether it is the highest of the column's numbers, or ties with it.
        source: Key of the source of a published number.
        derived: How a published number was made out of what its source prints.
        figures: Further numbers of the same task.
    """

    metric: str
    unit: str
    estimate: Estimate
    entry: Entry | None = None
    reasons: tuple[str, ...] = ()
    mark: str = ""
    rank: str = ""
    best: bool = False
    source: str = ""
    derived: str = ""
    figures: tuple[Figure, ...] = ()

    @property
    def n(self) -> int | None:
        """Number of rows that were asked; of a published number, what the column has."""
        return self.entry.result.n if self.entry else self.estimate.n or None

    @property
    def counts(self) -> str:
        """Unparsed and failed answers, such as "3u 1f"; "" if there are none."""
        if self.entry is None:
            return ""
        result = self.entry.result
        counted = ((result.unparsed, "u"), (result.failed, "f"))
        return " ".join(f"{count:,}{letter}" for count, letter in counted if count)


@dataclass(frozen=True)
class Line:
    """One row of the table: a model, and its cells by the key of their column."""

    name: str
    cells: dict[str, Cell] = field(default_factory=dict)
    source: str = ""

    @property
    def title(self) -> str:
        """The name, with the source of a published row."""
        return f"{self.name} [{self.source}]" if self.source else self.name


@dataclass(frozen=True)
class Column:
    """One task; of a task that judges grade, one judge.

    Attributes:
        task: Its name.
        title: Its heading.
        identity: Of the numbers that stand in it without a mark.
        full_scale: From the worst to the best value, in its unit: 2,000 for MME.
        judge: Who graded, if it is not the judge of the published numbers.
    """

    task: str
    title: str
    identity: Identity
    full_scale: float = 100.0
    judge: str = ""

    @property
    def key(self) -> str:
        """Of its cells in a line: "mmvet", or "mmvet by a-judge"."""
        return key_of(self.task, self.judge)


def key_of(task: str, judge: str) -> str:
    """Name the column of a task, or of a task as another judge than the published one saw it."""
    return f"{task} by {judge}" if judge else task


@dataclass(frozen=True)
class Leaderboard:
    """A table with its footnotes.

    Attributes:
        columns: In the paper's order.
        lines: Measured rows, then published ones, unless sorted.
        notes: What the marks mean, and what else must be known; one line of text each.
    """

    columns: list[Column]
    lines: list[Line]
    notes: list[str] = field(default_factory=list)
