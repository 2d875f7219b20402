"""Rows and columns: which, in which order; and a table that refuses to mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llava_eval.errors import MixtureError, UsageError, nearest
from llava_eval.leaderboard.board import Column, Leaderboard, Line


@dataclass(frozen=True)
class Choice:
    """What a user wants of the table.

    Attributes:
        tasks: Columns, in this order; none: all that have a measured number.
        models: Parts of the names of rows, in any case; none: all rows.
        sort: A task, or the key of a column: its highest number first, numbers with a mark behind
            those without, rows without a number last.
    """

    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    sort: str = ""


ALL = Choice()


def chosen_columns(columns: Sequence[Column], choice: Choice) -> list[Column]:
    """Keep the columns that are wanted, in the order in which they are named.

    Raises:
        UsageError: A task has no column; the nearest is named.
    """
    known = [column.task for column in columns]
    for task in choice.tasks:
        if task not in known:
            raise UsageError(f"--tasks: {task!r} is not known; {nearest(task, known)}")
    wanted = choice.tasks or dict.fromkeys(known)
    return [column for task in wanted for column in columns if column.task == task]


def chosen_lines(lines: Sequence[Line], columns: Sequence[Column], choice: Choice) -> list[Line]:
    """Keep the rows that are wanted, in their order; a published one if it has a number there.

    Raises:
        UsageError: A part of a name is in no row; the nearest is named.
    """
    for part in choice.models:
        if not any(_in_name(part, line) for line in lines):
            names = [line.name.casefold() for line in lines]
            raise UsageError(f"--models: {part!r} is in no row's name; {nearest(part, names)}")
    return [
        line
        for line in lines
        if (not line.source or _has_number(line, columns))
        and (not choice.models or any(_in_name(part, line) for part in choice.models))
    ]


def _has_number(line: Line, columns: Sequence[Column]) -> bool:
    cells = [line.cells[column.key] for column in columns if column.key in line.cells]
    return any(cell.estimate.value is not None for cell in cells)


def _in_name(part: str, line: Line) -> bool:
    return part.casefold() in line.name.casefold()


def in_order(columns: Sequence[Column], lines: Sequence[Line], choice: Choice) -> list[Line]:
    """Sort the rows as wanted.

    Raises:
        UsageError: The task to sort by has no column; the nearest is named.
    """
    if not choice.sort:
        return list(lines)
    keys = {column.task: column.key for column in reversed(columns)}
    keys |= {column.key: column.key for column in columns}
    if choice.sort not in keys:
        hint = nearest(choice.sort, keys)
        raise UsageError(f"--sort: {choice.sort!r} is no column of this table; {hint}")
    return sorted(lines, key=lambda line: _order(line, keys[choice.sort]))


def _order(line: Line, key: str) -> tuple[bool, bool, float]:
    cell = line.cells.get(key)
    value = cell.estimate.value if cell else None
    return (value is None, bool(cell and cell.reasons), -(value or 0.0))


def refuse_mixture(board: Leaderboard) -> None:
    """Refuse a table in which a number is not its column's.

    Raises:
        MixtureError: A number carries a dagger; the first few reasons are given.
    """
    marked = [
        f"{line.name}, {column.key}: {'; '.join(cell.reasons)}"
        for column in board.columns
        for line in board.lines
        if (cell := line.cells.get(column.key)) and cell.reasons
    ]
    if marked:
        shown = " | ".join(marked[:3]) + (" | ..." if len(marked) > 3 else "")
        raise MixtureError(
            f"--strict: {len(marked):,} numbers may not stand in their columns: {shown}; "
            "leave them out with --models and --tasks, or see them marked without --strict"
        )
