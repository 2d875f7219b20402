"""Which requests go through the model together: pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


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


def plan_slots(
    columns: Sequence[int], most: int, room: int
) -> Iterator[tuple[int, int, list[int]]]:
    """Sort images into tiers of like size; all of a tier take turns in slots of one size.

    Args:
        columns: Tokens that each image takes in the cache.
        most: Most slots, at least 1.
        room: Tokens that all slots may take together; an image that takes more than that gets
            a single slot of its size.

    Yields:
        Number of slots, columns of each, and the places in `columns` of a tier, largest first.
        No image takes less than half of its slot.

    >>> list(plan_slots([10, 40, 20, 15], 3, 60))
    [(1, 40, [1, 2]), (2, 15, [3, 0])]
    """
    order = sorted(range(len(columns)), key=lambda place: -columns[place])
    start = 0
    for place in range(1, len(order) + 1):
        size = columns[order[start]]
        if place == len(order) or 2 * columns[order[place]] < size:
            tier = order[start:place]
            yield max(1, min(most, room // size, len(tier))), size, tier
            start = place
