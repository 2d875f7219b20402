"""Results to one table, beside the published rows.

read_entry -> lines_of -> mark_differences -> rank -> mark_best -> FORMATS
"""

from __future__ import annotations

from collections.abc import Callable

from llava_eval.leaderboard.board import Cell, Column, Leaderboard, Line
from llava_eval.leaderboard.build import build_leaderboard
from llava_eval.leaderboard.choose import ALL, Choice, refuse_mixture
from llava_eval.leaderboard.latex import latex
from llava_eval.leaderboard.page import page
from llava_eval.leaderboard.plain import markdown, text
from llava_eval.leaderboard.sheet import sheet

FORMATS: dict[str, Callable[[Leaderboard], str]] = {
    "text": text,
    "md": markdown,
    "csv": sheet,
    "latex": latex,
    "html": page,
}

__all__ = [
    "ALL",
    "FORMATS",
    "Cell",
    "Choice",
    "Column",
    "Leaderboard",
    "Line",
    "build_leaderboard",
    "refuse_mixture",
]
