"""The table as series of points: what the figures about all benchmarks draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llava_eval.leaderboard.board import Cell, Column, Leaderboard
from llava_eval.records import Estimate
from llava_eval.report.figures.style import INK, Look, label, labels, look

PUBLISHED = ("LLaVA-1.5-7B", "LLaVA-1.5-13B")  # the rows that stand beside measured ones
PUBLISHED_LOOKS = (Look(INK, "|", (0, (1, 1)), ""), Look(INK, "x", (0, (4, 2)), ""))


@dataclass(frozen=True)
class Series:
    """One row of the table.

    Attributes:
        name: Short, and no other row's.
        look: How it is drawn.
        cells: By task.
        published: Whether it was not measured here.
    """

    name: str
    look: Look
    cells: Mapping[str, Cell]
    published: bool = False

    def estimate(self, task: str) -> Estimate | None:
        """Return the number of a task; None where there is none, or it is undefined."""
        cell = self.cells.get(task)
        return None if cell is None or cell.estimate.value is None else cell.estimate

    def hollow(self, task: str) -> bool:
        """Whether the number is not the column's own, for another reason than the mini split."""
        cell = self.cells.get(task)
        return bool(cell and cell.reasons and cell.entry and not cell.entry.result.mini)


def measured_series(board: Leaderboard) -> list[Series]:
    """Return the measured rows of a table, in its order."""
    lines = [line for line in board.lines if not line.source]
    names = labels([line.name for line in lines])
    return [
        Series(name, look(place), line.cells)
        for place, (name, line) in enumerate(zip(names, lines, strict=True))
    ]


def published_series(board: Leaderboard, names: Sequence[str] = PUBLISHED) -> list[Series]:
    """Return published rows, with the columns that hold a measured number of the same data."""
    by_name = {line.name: line for line in board.lines if line.source}
    lines = [by_name[name] for name in names if name in by_name]
    found = [
        Series(
            f"{label(line.name)} (published)",
            PUBLISHED_LOOKS[place % len(PUBLISHED_LOOKS)],
            {task: cell for task, cell in line.cells.items() if _comparable(board, task)},
            published=True,
        )
        for place, line in enumerate(lines)
    ]
    return [series for series in found if series.cells]


def _comparable(board: Leaderboard, task: str) -> bool:
    """Whether a column holds a measured number that is not of the demo's own rows."""
    return any(
        cell.estimate.value is not None and cell.entry and not cell.entry.result.mini
        for line in board.lines
        if (cell := line.cells.get(task))
    )


def title_of(column: Column) -> str:
    """Return the heading of a column, fit for drawing."""
    return label(column.title, 18)


def unit_of(board: Leaderboard, task: str) -> str:
    """Return the unit of a column: "percent" or "points"."""
    return next((c.unit for line in board.lines if (c := line.cells.get(task))), "percent")


def gap_notes(board: Leaderboard) -> list[str]:
    """Name the measured rows' missing and undefined numbers, which are drawn nowhere."""
    found: dict[tuple[str, ...], list[str]] = {}
    for series in measured_series(board):
        gaps: dict[str, list[str]] = {}
        for column in board.columns:
            if series.estimate(column.key) is None:
                gaps.setdefault(_why_none(series.cells.get(column.key)), []).append(
                    title_of(column)
                )
        for why, titles in gaps.items():
            found.setdefault((why, *titles), []).append(series.name)
    return [
        f"No value ({why}): {', '.join(titles)} of {', '.join(names)}."
        for (why, *titles), names in found.items()
    ]


def _why_none(cell: Cell | None) -> str:
    if cell is None or cell.entry is None:
        return "not measured"
    result = cell.entry.result
    return "not graded" if result.ungraded else "undefined"


def published_note(board: Leaderboard) -> str:
    """Say why published rows are not drawn; "" where they are."""
    if published_series(board):
        return ""
    mini = any(
        cell.entry and cell.entry.result.mini
        for series in measured_series(board)
        for cell in series.cells.values()
    )
    if mini:
        return (
            "Published rows are left out: the demo's own mini split is comparable with nothing "
            "published."
        )
    return "Published rows are left out: they have none of these benchmarks."


def hollow_note(board: Leaderboard) -> str:
    """Say what a hollow marker is; "" where there is none."""
    found = any(
        series.hollow(column.key) and series.estimate(column.key)
        for series in measured_series(board)
        for column in board.columns
    )
    return "Hollow: not the column's own number; the table says why." if found else ""
