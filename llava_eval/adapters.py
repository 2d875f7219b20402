"""Adapters: columns that a benchmark's schema lacks, made from those that it has.

`ADAPTERS` is the whole registry; a card names its adapter. An adapter changes its row in place
and works on rows of every source, since official readers deliver the Hub's schema.
"""

from __future__ import annotations

from collections.abc import Callable

from llava_eval.rows import Row


def as_is(row: Row) -> None:
    """Leave the row as it is."""


ADAPTERS: dict[str, Callable[[Row], None]] = {"as_is": as_is}
