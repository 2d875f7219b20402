"""Whether a difference between two numbers of the table is shown."""

from __future__ import annotations

import math

from llava_eval.leaderboard.board import Cell

NORMAL_95 = 1.959963984540054


def tied(left: Cell, right: Cell) -> bool:
    """Say whether two numbers of one identity cannot be told apart.

    Two measured ones: zero is in the interval of their difference. A measured and a
    published one: its interval holds the published value, which is taken as it is printed.
    Two published ones: they are printed alike.
    """
    if left.estimate.value is None or right.estimate.value is None:
        return False
    if left.entry and right.entry:
        return _unpaired(left, right)
    measured, published = (left, right) if left.entry else (right, left)
    if measured.entry is None:
        return left.estimate.value == right.estimate.value
    low, high = measured.estimate.low, measured.estimate.high
    value = published.estimate.value
    return low is None or high is None or value is None or low <= value <= high


def _unpaired(left: Cell, right: Cell) -> bool:
    errors = (left.estimate.error, right.estimate.error)
    if None in errors or left.estimate.value is None or right.estimate.value is None:
        return True
    half = NORMAL_95 * math.hypot(*(error or 0.0 for error in errors))
    return abs(left.estimate.value - right.estimate.value) <= half
