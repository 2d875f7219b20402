"""Ranks and ties: a difference that is not shown is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from llava_eval.leaderboard.board import Cell, Column, Line
from llava_eval.leaderboard.ties import Ties


def rank(columns: Sequence[Column], lines: Sequence[Line], ties: Ties) -> list[Line]:
    """Rank the measured numbers of each column among those of the same identity.

    A number's rank is one more than the count of numbers that are shown to be higher, so
    those that tie with the highest are all first. A published number has no rank: neither
    its predictions nor its error is known, and to take it as exact would invent differences.
    """
    ranks = {column.key: _ranks(column.key, lines, ties) for column in columns}
    return [_with(line, place, "rank", ranks) for place, line in enumerate(lines)]


def mark_best(columns: Sequence[Column], lines: Sequence[Line], ties: Ties) -> list[Line]:
    """Mark the highest of the numbers that have the column's identity, and its ties.

    Published numbers have a part in it: a measured one ties with them if its interval holds
    them. Two published ones tie if they are printed alike.
    """
    best = {column.key: _best(column.key, lines, ties) for column in columns}
    return [_with(line, place, "best", best) for place, line in enumerate(lines)]


def _with(line: Line, place: int, field: str, values: Mapping[str, Mapping[int, object]]) -> Line:
    cells = {
        task: replace(cell, **{field: values[task][place]})  # type: ignore[arg-type]
        if place in values.get(task, {})
        else cell
        for task, cell in line.cells.items()
    }
    return replace(line, cells=cells)


def _ranks(task: str, lines: Sequence[Line], ties: Ties) -> dict[int, str]:
    groups: defaultdict[tuple[str, ...], dict[int, Cell]] = defaultdict(dict)
    for place, line in enumerate(lines):
        cell = line.cells.get(task)
        if cell and cell.entry and cell.estimate.value is not None:
            alike = (*cell.entry.identity.key, cell.mark)
            groups[alike][place] = cell
    ranks: dict[int, str] = {}
    for group in groups.values():
        if len(group) > 1:
            ranks.update(_ranks_of(group, ties))
    return ranks


def _ranks_of(group: Mapping[int, Cell], ties: Ties) -> dict[int, str]:
    numbers = {
        place: 1 + sum(_shown_higher(other, cell, ties) for other in group.values())
        for place, cell in group.items()
    }
    counts = list(numbers.values())
    return {
        place: f"{number}=" if counts.count(number) > 1 else str(number)
        for place, number in numbers.items()
    }


def _best(task: str, lines: Sequence[Line], ties: Ties) -> dict[int, bool]:
    own = {
        place: line.cells[task]
        for place, line in enumerate(lines)
        if task in line.cells
        and not line.cells[task].reasons
        and line.cells[task].estimate.value is not None
    }
    if not own:
        return {}
    top = max(own.values(), key=_value)
    return {place: True for place, cell in own.items() if cell is top or ties.tied(top, cell)}


def _shown_higher(other: Cell, cell: Cell, ties: Ties) -> bool:
    return _value(other) > _value(cell) and not ties.tied(other, cell)


def _value(cell: Cell) -> float:
    return float("-inf") if cell.estimate.value is None else cell.estimate.value
