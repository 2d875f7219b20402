"""Which results make one row, and what the row is called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from llava_eval.identity import RECORDED
from llava_eval.leaderboard.board import Entry

# What says itself: "float16", not "dtype float16".
BARE = ("dtype", "hardware", "device")
PLAIN_WORDS = {
    ("pad_to_square", "True"): "square padding",
    ("pad_to_square", "False"): "no square padding",
    ("sharing", "True"): "sharing",
    ("sharing", "False"): "no sharing",
}


def lines_of(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Sort results into rows, and name each so that no two have the same name.

    A row is one model in one setting: weights, family, engine, dtype, attention. Where that
    leaves two results of a task in one row, each folder of runs is a row of its own.

    Args:
        entries: In the order of their folders.

    Returns:
        Name and results of each row, in the order of their first result.
    """
    groups: defaultdict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[_setting(entry)].append(entry)
    rows = [row for group in groups.values() for row in _without_repeats(group)]
    return list(zip(_names(rows), rows, strict=True))


def _setting(entry: Entry) -> tuple[str, ...]:
    values = (entry.recorded.get(name, "") for name in RECORDED["identity"])
    return (str(entry.result.mini), *values)


def _without_repeats(group: list[Entry]) -> list[list[Entry]]:
    if max(Counter(entry.result.task for entry in group).values()) == 1:
        return [group]
    by_root: defaultdict[Path, list[Entry]] = defaultdict(list)
    for entry in group:
        by_root[entry.folder.parent].append(entry)
    return [
        part
        for root in by_root.values()
        for part in (
            [root]
            if max(Counter(entry.result.task for entry in root).values()) == 1
            else [[entry] for entry in root]
        )
    ]


def _names(rows: Sequence[list[Entry]]) -> list[str]:
    names = [_base_name(row[0]) for row in rows]
    for base in dict.fromkeys(names):
        places = [place for place, name in enumerate(names) if name == base]
        if len(places) > 1:
            words = _what_differs([rows[place] for place in places])
            for place, told in zip(places, words, strict=True):
                names[place] = f"{base} ({told})"
    return names


def _base_name(entry: Entry) -> str:
    name = entry.recorded.get("model", "unknown model")
    return f"{name} (mini)" if entry.result.mini else name


def _what_differs(rows: Sequence[list[Entry]]) -> list[str]:
    """Tell rows of one model apart by what is recorded of them; by folder if nothing else."""
    told = _by_fields(rows, RECORDED["identity"])
    if len(set(told)) < len(rows):
        told = _by_fields(rows, [*RECORDED["identity"], *RECORDED["environment"]])
    if len(set(told)) < len(rows):
        told = [", ".join(filter(None, [*pair])) for pair in zip(told, _places(rows), strict=True)]
    return told


def _by_fields(rows: Sequence[list[Entry]], names: Iterable[str]) -> list[str]:
    values = {name: [_values(row, name) for row in rows] for name in names}
    differing = [name for name, column in values.items() if len(set(column)) > 1]
    return [
        ", ".join(_words(name, values[name][place]) for name in differing)
        for place in range(len(rows))
    ]


def _values(row: list[Entry], name: str) -> str:
    return "+".join(sorted({entry.recorded.get(name, "") for entry in row}))


def _words(name: str, value: str) -> str:
    if name in BARE and value:
        return value
    return PLAIN_WORDS.get((name, value), f"{name.replace('_', ' ')} {value or 'not recorded'}")


def _places(rows: Sequence[list[Entry]]) -> list[str]:
    roots = [row[0].folder.parent for row in rows]
    if len(set(roots)) == len(rows):
        return [root.as_posix() for root in roots]
    return [row[0].folder.as_posix() for row in rows]
