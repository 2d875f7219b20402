"""The leaderboard as the page shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from llava_eval.leaderboard.board import Cell, Leaderboard
from llava_eval.leaderboard.build import LEGEND
from llava_eval.records import Estimate
from llava_eval.report.page_links import SampleLinks
from llava_eval.report.subject import Subject

PAGE_LEGEND = (
    "Below a number: its 95 % interval. Bold: the best of the column's own numbers, and what ties "
    "with it"
)
OUTCOMES = {"u": "unparsed", "f": "failed"}  # of the letters in a cell's counts
MARK = re.compile(r"†(\d+) ")
SOURCE = re.compile(r"\[([^\]]+)\] ")


@dataclass(frozen=True)
class CellView:
    """One number of the table.

    Attributes:
        sort: What it sorts by; "" where there is none.
        number: As text.
        interval: The same of its interval; "" without one.
        link: Anchor of where it comes from.
        mark: Such as "†1"; "" without one.
        reasons: Why it has the mark.
        counts: Unparsed and failed answers, each with a link to the samples or "".
        rank: Among numbers that are comparable.
        best: Whether it is the best of its column.
        derived: How a published number was made out of what its source prints; "" if it is printed.
    """

    sort: str = ""
    number: str = ""
    interval: str = ""
    link: str = ""
    mark: str = ""
    reasons: str = ""
    counts: list[tuple[str, str]] = field(default_factory=list)
    rank: str = ""
    best: bool = False
    derived: str = ""


@dataclass(frozen=True)
class NoteView:
    """A line below the table, with the anchor that marks and sources lead to."""

    anchor: str
    text: str


@dataclass(frozen=True)
class TableView:
    """The table: headings, rows and what stands below."""

    columns: list[tuple[str, str, str]]
    lines: list[tuple[str, str, list[CellView]]]
    notes: list[NoteView]


def table_view(subject: Subject, browsed: Sequence[str] = ()) -> TableView:
    """Return the leaderboard, every number with the anchor of its provenance.

    Args:
        subject: What the page is about.
        browsed: Names of the tasks that have samples in the page.

    Returns:
        Columns of (task, title, number of samples), lines of (name, source, cells).
    """
    board = subject.board
    columns = [
        (column.task, column.title, f"{column.identity.n:,}" if column.identity.n else "")
        for column in board.columns
    ]
    lines = [
        (
            line.name,
            line.source,
            [
                _cell(line.cells.get(column.key), column.task, subject, line.name, browsed)
                for column in board.columns
            ],
        )
        for line in board.lines
    ]
    return TableView(columns, lines, _notes(board))


def run_anchor(subject: Subject, task: str, model: str) -> str:
    """Return where in the page it is said how a number was made."""
    return f"run-{task}-{subject.models.index(model)}"


def show_number(value: float | None) -> str:
    """Write a number with one decimal.

    >>> show_number(1412.36), show_number(None)
    ('1,412.4', 'none')
    """
    return "none" if value is None else f"{value:,.1f}"


def show_interval(estimate: Estimate) -> str:
    """Write an interval; "" where there is none. Thousands of points have no decimals.

    >>> show_interval(Estimate(85.9, 84.94, 86.96, 8910))
    '84.9–87.0'
    >>> show_interval(Estimate(1850.0, 1719.6, 1922.5, 134))
    '1,720–1,922'
    """
    if estimate.low is None or estimate.high is None:
        return ""
    places = 0 if estimate.high >= 1000 else 1
    return f"{estimate.low:,.{places}f}–{estimate.high:,.{places}f}"


def _cell(
    cell: Cell | None, task: str, subject: Subject, model: str, browsed: Sequence[str]
) -> CellView:
    if cell is None or (cell.estimate.value is None and cell.entry is None):
        return CellView()
    value = cell.estimate.value
    link = run_anchor(subject, task, model) if cell.entry else f"source-{cell.source}"
    return CellView(
        sort="" if value is None else repr(value),
        number=show_number(value),
        interval=show_interval(cell.estimate),
        link=link,
        mark=cell.mark,
        reasons="; ".join(cell.reasons),
        counts=_counts(cell, subject, browsed),
        rank=f"#{cell.rank}" if cell.rank else "",
        best=cell.best,
        derived=cell.derived,
    )


def _counts(cell: Cell, subject: Subject, browsed: Sequence[str]) -> list[tuple[str, str]]:
    run = next((r for r in subject.runs if cell.entry and r.folder == cell.entry.folder), None)
    if run is None:
        return []
    links = SampleLinks(subject, run, browsed)
    return [(text, links.to(outcome=OUTCOMES[text[-1]])) for text in cell.counts.split()]


def _notes(board: Leaderboard) -> list[NoteView]:
    notes = [_note(note.replace(LEGEND, PAGE_LEGEND)) for note in board.notes]
    derived = {
        f"‡ {column.task}: {cell.derived}": None
        for column in board.columns
        for line in board.lines
        if (cell := line.cells.get(column.key)) and cell.derived
    }
    return notes + [NoteView("derived" if not place else "", t) for place, t in enumerate(derived)]


def _note(text: str) -> NoteView:
    """Give a note its anchor, if something leads to it.

    >>> _note("†1 pope: mini split").anchor, _note("[llava] Liu et al.").anchor, _note("x").anchor
    ('mark-1', 'source-llava', '')
    """
    if found := MARK.match(text):
        return NoteView(f"mark-{found[1]}", text)
    if found := SOURCE.match(text):
        return NoteView(f"source-{found[1]}", text)
    return NoteView("", text)
