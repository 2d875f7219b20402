"""The table for a paper: LaTeX with booktabs."""

from __future__ import annotations

from llava_eval.leaderboard.board import Cell, Leaderboard
from llava_eval.leaderboard.escape import for_latex
from llava_eval.leaderboard.plain import number_of, rows_of

HEAD = r"""% Needs \usepackage{booktabs}.
\begin{table*}
\centering
\scriptsize
\setlength{\tabcolsep}{3pt}"""
FOOT = r"""\end{table*}"""


def latex(board: Leaderboard) -> str:
    r"""Write a leaderboard as a LaTeX table, to be read by \input.

    It needs booktabs and nothing else. Measured and published rows have a rule between them,
    unless they are sorted among each other.
    """
    rows = rows_of(board, _cell, for_latex)
    measured = [not line.source for line in board.lines]
    lines = [rf"\begin{{tabular}}{{l{'r' * len(board.columns)}}}", r"\toprule"]
    lines += [_row(rows[0]), _row(rows[1]), r"\midrule"]
    for place, row in enumerate(rows[2:]):
        if place and measured == sorted(measured, reverse=True) != [measured[0]] * len(measured):
            lines += [r"\midrule"] if measured[place - 1] and not measured[place] else []
        lines.append(_row(row))
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\medskip", r"\begin{flushleft}"]
    notes = [rf"{for_latex(note)}\par" for note in board.notes]
    return "\n".join([HEAD, *lines, *notes, r"\end{flushleft}", FOOT])


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    value, _, interval = number_of(cell).partition(" ")
    bold = rf"\textbf{{{value}}}" if cell.best else value
    raised = [cell.mark, cell.counts, f"#{cell.rank}" if cell.rank else ""]
    marks = for_latex(" ".join(part for part in raised if part))
    return (
        bold
        + (f" {for_latex(interval)}" if interval else "")
        + (rf"\textsuperscript{{{marks}}}" if marks else "")
    )
