"""The guard: a number that is not its column's carries a dagger that says why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from llava_eval.identity import Identity, differences
from llava_eval.leaderboard.board import Cell, Column, Line

MINI = "mini split"  # the words of `differences`; what they mean for a table goes with them
MEANING = {MINI: f"{MINI}: the demo's own rows, comparable with nothing published"}


def mark_differences(columns: Sequence[Column], lines: Sequence[Line]) -> list[Line]:
    """Give every measured cell its reasons and its mark.

    Two cells of a column have the same mark only if they have the same identity; cells
    without a mark have the column's.
    """
    reasons = {
        (place, column.key): words
        for column in columns
        for place, words in _reasons(column, lines).items()
    }
    numbers = {words: number for number, words in enumerate(dict.fromkeys(reasons.values()), 1)}
    return [
        replace(
            line,
            cells={
                task: _marked(cell, reasons.get((place, task), ()), numbers)
                for task, cell in line.cells.items()
            },
        )
        for place, line in enumerate(lines)
    ]


def notes_of_marks(columns: Sequence[Column], lines: Sequence[Line]) -> list[str]:
    """Return one note per mark: "†1 textvqa: no OCR line"."""
    tasks: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for column in columns:
        for line in lines:
            cell = line.cells.get(column.key)
            if cell and cell.mark:
                found = tasks.setdefault((cell.mark, cell.reasons), [])
                found += [column.key] if column.key not in found else []
    ordered = sorted(tasks.items(), key=lambda item: int(item[0][0][1:]))
    return [f"{mark} {', '.join(names)}: {'; '.join(words)}" for (mark, words), names in ordered]


def _marked(cell: Cell, words: tuple[str, ...], numbers: dict[tuple[str, ...], int]) -> Cell:
    return replace(cell, reasons=words, mark=f"†{numbers[words]}") if words else cell


def _reasons(column: Column, lines: Sequence[Line]) -> dict[int, tuple[str, ...]]:
    """Return the reasons of the cells of one column that have any, by the line's place."""
    identities = {
        place: line.cells[column.key].entry.identity  # type: ignore[union-attr]
        for place, line in enumerate(lines)
        if column.key in line.cells and line.cells[column.key].entry
    }
    words = {place: _words(own, column.identity) for place, own in identities.items()}
    alike: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for place, found in words.items():
        alike[found].append(place)
    for places in alike.values():
        for place, more in _told_apart(identities, places).items():
            words[place] += more
    return {place: found for place, found in words.items() if found}


def _words(identity: Identity, reference: Identity) -> tuple[str, ...]:
    found = [difference.words for difference in differences(identity, reference)]
    return tuple(MEANING.get(words, words) for words in found)


def _told_apart(
    identities: dict[int, Identity], places: Sequence[int]
) -> dict[int, tuple[str, ...]]:
    """Tell numbers apart that differ from the column in the same words but not in the same way.

    Most of them agree, as a rule; the others say how they differ from those.
    """
    counted = Counter(identities[place].key for place in places)
    usual = max(counted, key=lambda key: counted[key])
    reference = next(identities[place] for place in places if identities[place].key == usual)
    return {
        place: _words(identities[place], reference) or (f"data {identities[place].data}",)
        for place in places
        if identities[place].key != usual
    }
