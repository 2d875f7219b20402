"""The table for machines: CSV, one row per number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from llava_eval.leaderboard.board import Cell, Leaderboard, Line
from llava_eval.leaderboard.escape import for_spreadsheet
from llava_eval.records import Estimate

HEADING = (
    "model",
    "source",
    "task",
    "group",
    "metric",
    "primary",
    "unit",
    "value",
    "low",
    "high",
    "error",
    "n",
    "rows",
    "unparsed",
    "failed",
    "missing",
    "ungraded",
    "complete",
    "rank",
    "flags",
)


def sheet(board: Leaderboard) -> str:
    """Write a leaderboard as CSV: one row per number, at full precision.

    One row per number and not one per model: value, interval, error and counts belong
    together and each has its column; a new task adds rows, no columns; and
    `pandas.pivot(index="model", columns="task", values="value")` makes the wide table.
    Metrics beside the primary one and groups are rows too; `primary` is yes for the numbers
    of the table. `flags` are the reasons of a dagger, with "; " between. `source` is
    "measured", or the key of the source of a published number. `n` is what the number rests
    on, `rows` what was asked. Where nothing is known the cell is empty.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADING)
    for column in board.columns:
        for line in board.lines:
            if column.key in line.cells:
                writer.writerows(_rows(line, column.key, line.cells[column.key]))
    return file.getvalue().rstrip("\n")


def _rows(line: Line, task: str, cell: Cell) -> Iterator[list[str]]:
    if cell.estimate.value is not None or cell.entry:
        yield _row(line, task, cell, "", cell.metric, cell.estimate, primary=True)
    for figure in cell.figures:
        yield _row(line, task, cell, figure.group, figure.metric, figure.estimate, primary=False)


def _row(
    line: Line, task: str, cell: Cell, group: str, metric: str, estimate: Estimate, *, primary: bool
) -> list[str]:
    """Write one number; rank and flags of the primary one hold for the others' data too."""
    numbers = (estimate.value, estimate.low, estimate.high, estimate.error)
    measured = cell.entry is not None
    return [
        for_spreadsheet(line.name),
        for_spreadsheet(cell.source or "measured"),
        for_spreadsheet(task),
        for_spreadsheet(group),
        for_spreadsheet(metric),
        "yes" if primary else "no",
        cell.unit,
        *("" if number is None else repr(number) for number in numbers),
        str(estimate.n) if measured else "",
        *_counts(cell),
        cell.rank if primary else "",
        for_spreadsheet("; ".join([*cell.reasons, *([cell.derived] if cell.derived else [])])),
    ]


def _counts(cell: Cell) -> list[str]:
    if cell.entry is None:
        return ["", "", "", "", "", ""]
    result = cell.entry.result
    counts = (result.n, result.unparsed, result.failed, result.missing, result.ungraded)
    return [*map(str, counts), "yes" if result.complete else "no"]
