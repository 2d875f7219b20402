r"""Many questions about one image: encode the image once, prefill its prefix once.

Every row of a batch is one image. Its prompt prefix stands in front, and its questions are packed
behind it in one line, each with position ids that go on from the prefix. `owner` says whose a
column of the cache is: 0 is the prefix, which everybody sees, 1, 2, ... are questions, which see
the prefix and themselves, and -1 is padding, which nobody sees.

    column   0 . . . . . . . . . . . 620 621  .   .   .   .   .   .   .  628  629 630  631
    token    A chat ... USER: <image> \n  Is  it  red  :  How many  ?    :    Yes two  </s>
    owner    0 0 0 0 0 0 0 0 0 0 0 0 0    1   1   1    1   2   2    2    2     1   2     2
    position 0 1 . . . . . . . . . . 620  621 622 623 624 621 622  623  624   625 625   626
             '---- prefilled once ---'    '---- one forward pass for all ---' '- decoding -'

The mask follows from the owners alone, so that prefix, questions and answers go through the same
forward pass of transformers' own model, with its own cache classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

PREFIX, NOBODY = 0, -1


@dataclass(eq=False)
class Question:
    """One distinct prompt about an image.

    Attributes:
        ids: Its tokens behind the prefix that it shares with the group.
        max_new_tokens: Limit of its answer.
        new: Tokens of the answer so far, the end of sequence included.
    """

    ids: list[int]
    max_new_tokens: int
    new: list[int] = field(default_factory=list)

    def finished(self, eos: Sequence[int]) -> bool:
        """Whether the answer has ended."""
        return bool(self.new) and (self.new[-1] in eos or len(self.new) == self.max_new_tokens)


@dataclass(eq=False)
class Group:
    """The questions about one image (or about none).

    Attributes:
        prefix: Tokens that all its prompts begin with, image positions included.
        pixels: Shape (1, 3, height, width), or None without an image.
        questions: At least one. A question without tokens of its own is alone in its group.
    """

    prefix: list[int]
    pixels: torch.Tensor | None
    questions: list[Question]


def split_at_prefix(prompts: Sequence[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Split prompts at their longest common prefix; every rest keeps a token, if there are two.

    >>> split_at_prefix([[1, 2, 3], [1, 2, 4, 5]])
    ([1, 2], [[3], [4, 5]])
    >>> split_at_prefix([[1, 2, 3]])
    ([1, 2, 3], [[]])
    """
    if len(prompts) == 1:
        return list(prompts[0]), [[]]
    first, last = min(prompts), max(prompts)  # what these two share, all between them share
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
        min(len(first), len(last)),
    )
    length = min(length, min(map(len, prompts)) - 1)
    return first[:length], [prompt[length:] for prompt in prompts]


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer that writes into spare room instead of copying itself at every token."""

    is_initialized: bool
    keys: torch.Tensor
    values: torch.Tensor
    room_keys: torch.Tensor
    room_values: torch.Tensor

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values of shape (rows, heads, tokens, size); return all of them."""
        used = self.get_seq_length()
        needed = used + key_states.shape[-2]
        if not self.is_initialized or needed > self.room_keys.shape[-2]:
            self.room_keys = self._more_room(key_states, used, needed, "keys")
            self.room_values = self._more_room(value_states, used, needed, "values")
            self.is_initialized = True
        self.room_keys[..., used:needed, :] = key_states
        self.room_values[..., used:needed, :] = value_states
        self.keep_columns(needed)
        return self.keys, self.values

    def _more_room(self, new: torch.Tensor, used: int, needed: int, name: str) -> torch.Tensor:
        room = new.new_empty(*new.shape[:-2], needed + max(32, needed // 8), new.shape[-1])
        if used:
            room[..., :used, :] = getattr(self, name)
        return room

    def keep_columns(self, length: int) -> None:
        """Forget all columns from `length` on; their room stays."""
        self.keys = self.room_keys[..., :length, :]
        self.values = self.room_values[..., :length, :]

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Forget all rows but these."""
        length = self.get_seq_length()
        self.room_keys = self.room_keys.index_select(0, rows)
        self.room_values = self.room_values.index_select(0, rows)
        self.keep_columns(length)


class Batch:
    """Rows of images on their way through the model."""

    def __init__(self, model: Any, groups: Sequence[Group]) -> None:
        self.model = model
        self.groups = list(groups)
        self.device = model.device
        self.cache = DynamicCache()
        self.cache.layer_class_to_replicate = GrowingLayer
        self.owners = torch.empty(len(groups), 0, dtype=torch.long, device=self.device)

    def answer(self, eos: Sequence[int], most_packed: int) -> None:
        """Answer all questions of all groups greedily.

        Args:
            eos: Ids that end an answer.
            most_packed: How many tokens of questions are packed behind a prefix at once.
        """
        self._prefill(eos)
        prefix = self.owners.shape[1]
        for turn in _turns(self.groups, most_packed):
            self._ask(turn)
            self._decode(turn, eos)
            self._forget(prefix)

    def _prefill(self, eos: Sequence[int]) -> None:
        rows = [
            Tokens(g.prefix, [PREFIX] * len(g.prefix), range(len(g.prefix))) for g in self.groups
        ]
        pixels = [g.pixels for g in self.groups if g.pixels is not None]
        hidden = self._forward(rows, torch.cat(pixels) if pixels else None)
        alone = [
            (row, group.questions[0])
            for row, group in enumerate(self.groups)
            if not group.questions[0].ids
        ]
        self._first_tokens(hidden, [(row, len(self.groups[row].prefix) - 1, q) for row, q in alone])
        pairs = dict(alone)
        self._decode([[pairs[row]] if row in pairs else [] for row in range(len(self.groups))], eos)

    def _ask(self, turn: Sequence[Sequence[Question]]) -> None:
        """Send the questions of one turn through the model, packed, and note first tokens."""
        rows, ends = [], []
        for row, questions in enumerate(turn):
            tokens = Tokens([], [], [])
            for owner, question in enumerate(questions, 1):
                start = len(self.groups[row].prefix)
                tokens.add(question.ids, owner, start)
                ends.append((row, len(tokens.ids) - 1, question))
            rows.append(tokens)
        if ends:
            self._first_tokens(self._forward(rows, None), ends)

    def _decode(self, turn: Sequence[Sequence[Question]], eos: Sequence[int]) -> None:
        """Go on, one token per living question and step, until every answer has ended."""
        while True:
            rows, ends = [], []
            for row, questions in enumerate(turn):
                tokens = Tokens([], [], [])
                for owner, question in enumerate(questions, 1):
                    if not question.finished(eos):
                        start = len(self.groups[row].prefix) + len(question.ids)
                        tokens.add(question.new[-1:], owner, start + len(question.new) - 1)
                        ends.append((row, len(tokens.ids) - 1, question))
                rows.append(tokens)
            if not ends:
                return
            self._first_tokens(self._forward(rows, None), ends)

    def _first_tokens(
        self, hidden: torch.Tensor, ends: Sequence[tuple[int, int, Question]]
    ) -> None:
        """Pick the next token of each question from the hidden state of its last one."""
        if not ends:
            return
        rows, columns, questions = zip(*ends, strict=True)
        logits = self.model.lm_head(hidden[list(rows), list(columns)])
        for question, token in zip(questions, logits.argmax(-1).tolist(), strict=True):
            question.new.append(token)

    def _forward(self, rows: Sequence[Tokens], pixels: torch.Tensor | None) -> torch.Tensor:
        """Send tokens through the model behind what is in the cache.

        Returns:
            Hidden states, shape (rows, longest row, width).
        """
        width = max(len(row.ids) for row in rows)
        ids, owners, positions = (
            torch.tensor([[*part, *[fill] * (width - len(part))] for part in parts]).to(self.device)
            for parts, fill in (
                ([row.ids for row in rows], 0),
                ([row.owners for row in rows], NOBODY),
                ([row.positions for row in rows], 0),
            )
        )
        before = self.owners.shape[1]
        self.owners = torch.cat([self.owners, owners], dim=1)
        # Prefixes need no mask: what pads them stands behind, and plain causal attention is faster.
        plain = before == 0
        output = self.model.model(
            input_ids=ids,
            pixel_values=None if pixels is None else pixels.to(self.device, self.model.dtype),
            attention_mask=None if plain else self._mask(owners, before),
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _mask(self, owners: torch.Tensor, before: int) -> torch.Tensor:
        """Say who sees what: shape (rows, 1, queries, keys).

        The prefix is seen by padding too: a query that sees nothing would be NaN, and a value
        that is NaN spoils every sum, even where its weight is zero.
        """
        mine, all_ = owners[:, :, None], self.owners[:, None, :]
        places = torch.arange(self.owners.shape[1], device=self.device)
        earlier = places[None, None, :] <= places[before:][None, :, None]
        seen = (((all_ == mine) & (all_ != NOBODY)) | (all_ == PREFIX)) & earlier
        seen = seen[:, None]
        if self.model.config._attn_implementation == "sdpa":
            return seen
        # Eager attention adds its mask: a boolean one would be wrong without a word.
        dtype = self.model.dtype
        return torch.zeros(seen.shape, dtype=dtype, device=self.device).masked_fill(
            ~seen, torch.finfo(dtype).min
        )

    def _forget(self, columns: int) -> None:
        self.owners = self.owners[:, :columns]
        for layer in self.cache.layers:
            layer.keep_columns(columns)


@dataclass
class Tokens:
    """What one row sends through the model: ids, owners and positions, of equal length."""

    ids: Any
    owners: Any
    positions: Any

    def add(self, ids: Sequence[int], owner: int, start: int) -> None:
        """Append tokens of one question, at positions from `start` on."""
        self.ids.extend(ids)
        self.owners.extend([owner] * len(ids))
        self.positions.extend(range(start, start + len(ids)))


def _turns(groups: Sequence[Group], most_packed: int) -> Iterator[list[list[Question]]]:
    """Split each group's questions into turns of at most so many tokens, longest first."""
    waiting = [[q for q in group.questions if q.ids] for group in groups]
    while any(waiting):
        turn = []
        for questions in waiting:
            taken: list[Question] = []
            room = most_packed
            while questions and (not taken or len(questions[0].ids) <= room):
                taken.append(questions.pop(0))
                room -= len(taken[-1].ids)
            turn.append(taken)
        yield turn
