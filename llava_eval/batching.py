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
