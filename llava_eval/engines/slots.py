r"""The key-value cache: one slot per image, reserved once and used again.

    slot   |<------------------------- columns ------------------------->|
      0    | system | prefix of image 7        | questions | answers ... |
      1    | system | prefix of image 9  | questions       | ans . . . . |
      2    | system | . . . . . . . . . (free) . . . . . . . . . . . . . |

The tokens of a slot stand in its columns without gaps, whatever the other slots hold. A forward
pass goes through some neighbouring slots and writes behind what each of them holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from weakref import proxy

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

PREFIX, NOBODY = 0, -1


class Slots:
    """Keys, values and owners of the tokens of several images.

    Attributes:
        cache: What transformers' models take as `past_key_values`.
        owners: Whose each column is, shape (slots, columns + 1): `PREFIX` for what everybody
            sees, 1, 2, ... for questions, `NOBODY` for what is not in use.
        used: How many columns each slot holds.
    """

    def __init__(self, count: int, columns: int, device: torch.device) -> None:
        self.count, self.columns = count, columns
        self.cache = DynamicCache()
        # A proxy: in a circle of references, memory would outlive its last use.
        self.cache.layer_class_to_replicate = partial(SlotLayer, proxy(self))
        # The last column is for padding: what is written there is nobody's.
        self.owners = torch.full((count, columns + 1), NOBODY, device=device)
        self.used = [0] * count
        self.rows, self.start, self.seen = slice(0, 0), 0, 0
        self.places: torch.Tensor | None = None

    def open(self, first: int, owners: Sequence[Sequence[int]]) -> torch.Tensor:
        """Take the owners of new tokens; the next forward pass writes their keys and values.

        Args:
            first: The first slot; the others follow it.
            owners: Of the new tokens of each slot.

        Returns:
            The column of each token, shape (slots, longest); the last column for padding.
        """
        width = max(map(len, owners))
        self.rows = slice(first, first + len(owners))
        starts = self.used[self.rows]
        columns = torch.tensor(
            [
                [*range(start, start + len(row)), *[self.columns] * (width - len(row))]
                for start, row in zip(starts, owners, strict=True)
            ]
        ).to(self.owners.device)
        filled = torch.tensor([[*row, *[NOBODY] * (width - len(row))] for row in owners])
        self.owners[self.rows].scatter_(1, columns, filled.to(self.owners.device))
        for place, row in enumerate(owners, first):
            self.used[place] += len(row)
        self.start, self.seen = starts[0], max(self.used[self.rows])
        even = all(s == starts[0] and len(o) == width for s, o in zip(starts, owners, strict=True))
        self.places = None if even else columns
        return columns

    def forget(self, slot: int, columns: int) -> None:
        """Forget what a slot holds from a column on.

        What nobody holds is zero: it is seen with the weight 0, and 0 times NaN would be NaN.
        """
        self.owners[slot, columns:] = NOBODY
        for layer in self.cache.layers:
            for room in (layer.keys, layer.values):
                room[slot, :, columns : self.used[slot]] = 0
        self.used[slot] = columns

    def set_aside(self, slot: int, start: int, room: int) -> None:
        """Move what a slot holds from a column on, so that `room` columns are free before it.

        The next pass writes into them. With no room wanted, all that was set aside counts again.
        """
        end = self.used[slot]
        if not room:
            self.used[slot] = int((self.owners[slot] != NOBODY).nonzero().max()) + 1
            return
        owners = self.owners[slot, start:end].clone()
        self.owners[slot, start:end] = NOBODY
        self.owners[slot, start + room : end + room] = owners
        for layer in self.cache.layers:
            for keys in (layer.keys, layer.values):
                keys[slot, :, start + room : end + room] = keys[slot, :, start:end].clone()
        self.used[slot] = start

    def move(self, source: int, target: int) -> None:
        """Copy what a slot holds to another."""
        used = self.used[source]
        self.forget(target, 0)
        self.owners[target, :used] = self.owners[source, :used]
        for layer in self.cache.layers:
            for room in (layer.keys, layer.values):
                room[target, :, :used] = room[source, :, :used]
        self.used[target] = used


class SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer of the cache; which slots a pass goes through, `Slots.open` has said before."""

    is_initialized: bool
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, slots: Slots) -> None:
        super().__init__()
        self.slots = slots

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write keys and values of shape (slots, heads, tokens, size); return all that is seen."""
        if not self.is_initialized:
            self.keys, self.values = self._room(key_states), self._room(value_states)
            self.is_initialized = True
        return self._write(self.keys, key_states), self._write(self.values, value_states)

    def _room(self, new: torch.Tensor) -> torch.Tensor:
        _, heads, _, size = new.shape
        return new.new_zeros(self.slots.count, heads, self.slots.columns + 1, size)

    def _write(self, room: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        slots = self.slots
        rows = room[slots.rows]
        if slots.places is None:
            rows[:, :, slots.start : slots.seen] = new
        else:
            places = slots.places.to(room.device)  # a layer may be on a GPU of its own
            rows.scatter_(2, places[:, None, :, None].expand(new.shape), new)
        return rows[:, :, : slots.seen]

    def get_seq_length(self) -> int:
        """Return how many columns stand before the tokens of this pass."""
        return self.slots.start
