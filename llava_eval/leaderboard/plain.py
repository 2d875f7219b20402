"""The table as text and as Markdown."""

from __future__ import annotations

from collections.abc import Callable

from llava_eval.leaderboard.board import Cell, Leaderboard
from llava_eval.leaderboard.escape import for_markdown
from llava_eval.tables import markdown_table, printable, show_short, text_table


def text(board: Leaderboard) -> str:
    """Lay out a leaderboard for a terminal; the best number of a column has a * before it."""
    rows = rows_of(board, _text_cell, printable)
    return "\n".join([text_table(rows), "", *map(printable, board.notes)])


def markdown(board: Leaderboard) -> str:
    """Write a leaderboard as Markdown; the best number of a column is bold."""
    rows = rows_of(board, _markdown_cell, for_markdown)
    notes = [f"- {for_markdown(note)}" for note in board.notes]
    return "\n".join([markdown_table(rows), "", *notes])


def rows_of(
    board: Leaderboard, show: Callable[[Cell], str], escape: Callable[[str], str]
) -> list[list[str]]:
    """Return heading, number of samples, and one row per line of a leaderboard.

    Args:
        board: The table.
        show: Writes a number with its interval and marks.
        escape: Makes a name harmless in the format.
    """
    heading = ["model", *(escape(column.title) for column in board.columns)]
    counts = [f"{column.identity.n:,}" if column.identity.n else "" for column in board.columns]
    lines = [
        [
            escape(line.title),
            *(
                show(line.cells[column.key]) if column.key in line.cells else ""
                for column in board.columns
            ),
        ]
        for line in board.lines
    ]
    return [heading, ["samples", *counts], *lines]


def number_of(cell: Cell) -> str:
    """Write value and interval: "85.9 ±0.7", "none" if undefined; "" if nobody printed one."""
    if cell.estimate.value is None:
        return "none" if cell.entry else ""
    return show_short(cell.estimate)


def marks_of(cell: Cell) -> str:
    """Write the marks behind a number: dagger, counts, rank."""
    rank = f"#{cell.rank}" if cell.rank else ""
    return " ".join(part for part in (cell.mark, cell.counts, rank) if part)


def _text_cell(cell: Cell) -> str:
    star = "*" if cell.best else ""
    return f"{star}{number_of(cell)} {marks_of(cell)}".strip()


def _markdown_cell(cell: Cell) -> str:
    value, _, interval = number_of(cell).partition(" ")
    bold = f"**{value}**" if cell.best else value
    return " ".join(part for part in (bold, interval, marks_of(cell)) if part)
