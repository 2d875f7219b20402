"""The table as HTML."""

from __future__ import annotations

from llava_eval.leaderboard.board import Cell, Leaderboard
from llava_eval.leaderboard.escape import for_html
from llava_eval.leaderboard.plain import marks_of, number_of, rows_of

STYLE = """
body { font-family: sans-serif; margin: 2em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3em 0.6em; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; }
thead th { border-bottom: 2px solid; }
tbody tr:nth-child(even) { background: #f4f4f4; }
small { color: #555; }
"""


def page(board: Leaderboard) -> str:
    """Write a leaderboard as an HTML page that needs no other file."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><title>Leaderboard</title>',
            f"<style>{STYLE}</style></head>",
            "<body>",
            table(board),
            "</body>",
            "</html>",
        ]
    )


def table(board: Leaderboard) -> str:
    """Write a leaderboard as an HTML table with its notes, to stand in a page."""
    heading, *rows = rows_of(board, _cell, for_html)
    return "\n".join(
        [
            "<table>",
            f"<thead>{_row(heading, 'th')}</thead>",
            "<tbody>",
            *(_row(row, "td") for row in rows),
            "</tbody>",
            "</table>",
            "<ul>",
            *(f"<li>{for_html(note)}</li>" for note in board.notes),
            "</ul>",
        ]
    )


def _row(cells: list[str], tag: str) -> str:
    first, *others = cells
    return f"<tr><th>{first}</th>{''.join(f'<{tag}>{cell}</{tag}>' for cell in others)}</tr>"


def _cell(cell: Cell) -> str:
    value, _, interval = number_of(cell).partition(" ")
    reasons = for_html("; ".join(cell.reasons))
    marks = for_html(marks_of(cell))
    return (
        (f"<strong>{value}</strong>" if cell.best else value)
        + (f" <small>{interval}</small>" if interval else "")
        + (f' <sup title="{reasons}">{marks}</sup>' if marks else "")
    )
