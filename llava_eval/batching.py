"""Which requests go through the model together: pure Python."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Put requests of like length together, longest first.

    Like lengths waste the fewest padding positions; the longest batch first means that a
    batch that does not fit into memory fails at once and not after an hour.

    Args:
        lengths: Number of tokens of each prompt.
        batch_size: Most requests in a batch, at least 1.

    Returns:
        Places in `lengths`, each exactly once.

    >>> plan_batches([3, 9, 4], 2)
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def fill_batches(lengths: Sequence[int], most: int, room: int) -> list[list[int]]:
    """Fill batches by tokens: rows of a batch take as much as its longest.

    Args:
        lengths: Tokens that each row takes in the cache.
        most: Most rows in a batch, at least 1.
        room: Tokens that all rows of a batch may take together; a row that is longer than
            that is a batch of its own.

    Returns:
        Places in `lengths`, each exactly once, longest rows first.

    >>> fill_batches([10, 40, 20, 20], 3, 60)
    [[1], [2, 3, 0]]
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        last = batches[-1] if batches else []
        if last and len(last) < most and lengths[last[0]] * (len(last) + 1) <= room:
            last.append(place)
        else:
            batches.append([place])
    return batches
