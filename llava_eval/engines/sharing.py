r"""Many questions about one image: encode the image once, prefill its prefix once.

Every slot of the cache (`slots`) holds one image. What all prompts of a run begin with, the
system text, is computed once and stands in front in every slot. Behind it come the rest of the
image's prompt prefix and its questions, packed in one line, each with position ids that go on
from the prefix. `owner` says whose a column is: 0 is the prefix, which everybody sees, and 1,
2, ... are questions, which see the prefix and themselves.

    column   0 . . . . 37 38 . . . . . . 620 621  .   .   .   .   .   .   .  628  629 630  631
    token    A chat  USER :  <image> ...  \n  Is  it  red  :  How many  ?    :    Yes two  </s>
    owner    0 0 0 0 0  0 0  0 0 0 0 0 0   0   1   1   1    1   2   2    2    2     1   2     2
    position 0 1 . . . 37 38 . . . . . . 620  621 622 623 624 621 622  623  624   625 625   626
             '- once -'  '--- per image ---'  '----- one forward pass -----'  '- decoding -'

The mask follows from the owners alone, so that prefixes, questions and answers go through the
same forward pass of transformers' own model, with its own cache classes.

    waiting images -> admit -> ask -> decode until half of the slots rest -> done images
                        ^                                  |
                        '---------- free slots <-----------'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from llava_eval.engines.slots import NOBODY, PREFIX, Slots

Stage = Callable[[str], AbstractContextManager[None]]
# Tokens of one pass over prefixes or questions. A processor is fastest while what stands between
# two layers fits into its cache; a GPU wants large matrices.
MOST_TOKENS = {"cpu": 1024}
MOST_TOKENS_ELSEWHERE = 16_384
# Tokens of the questions that one slot takes in one pass. More waste attention on what the mask
# hides, fewer make the matrices of a pass small.
MOST_PACKED = 256
# Columns for questions and answers that a slot offers to a group.
MOST_ASKED = 2048
SHORT_ANSWER = 16
NO_NUMBERS = "the model's logits are NaN; try another --dtype, float32 is the safest"


@dataclass(eq=False)
class Question:
    """One distinct prompt about an image.

    Attributes:
        ids: Its tokens behind the prefix that it shares with the group.
        max_new_tokens: Limit of its answer.
        label: What the caller knows it by.
        new: Tokens of the answer so far, the end of sequence included.
        error: Why it has no answer; "" while all is well.
    """

    ids: Sequence[int]
    max_new_tokens: int
    label: Any = None
    new: list[int] = field(default_factory=list)
    error: str = ""

    @property
    def length(self) -> int:
        """Number of its tokens, those of the answer included."""
        return len(self.ids) + len(self.new)

    def finished(self, eos: Sequence[int]) -> bool:
        """Whether the answer has ended."""
        if self.error:
            return True
        return bool(self.new) and (self.new[-1] in eos or len(self.new) == self.max_new_tokens)


@dataclass(eq=False)
class Group:
    """The questions about one image (or about none).

    Attributes:
        prefix: Tokens that all its prompts begin with, image positions included.
        pixels: Shape (1, 3, height, width), or None without an image.
        questions: At least one. A question without tokens of its own is alone in its group.
    """

    prefix: Sequence[int]
    pixels: torch.Tensor | None
    questions: list[Question]


def split_at_prefix(prompts: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Split prompts at their longest common prefix; every rest keeps a token, if there are two.

    >>> split_at_prefix([[1, 2, 3], [1, 2, 4, 5]])
    ([1, 2], [[3], [4, 5]])
    >>> split_at_prefix([[1, 2, 3]])
    ([1, 2, 3], [[]])
    """
    if len(prompts) == 1:
        return list(prompts[0]), [[]]
    first, last = (
        min(map(list, prompts)),
        max(map(list, prompts)),
    )  # what these two share, all between them share
    length = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
        min(len(first), len(last)),
    )
    length = min(length, min(map(len, prompts)) - 1)
    return list(first[:length]), [list(prompt[length:]) for prompt in prompts]


def columns_needed(questions: Sequence[Question], prefix: int) -> int:
    """Return the columns that a slot needs for a group.

    Room for one whole answer is enough: a question that finds none left is asked again later,
    with the words that it has found so far.
    """
    longest = max(len(q.ids) + q.max_new_tokens for q in questions)
    hoped = sum(len(q.ids) + min(q.max_new_tokens, SHORT_ANSWER) for q in questions)
    return prefix + max(longest, min(hoped, MOST_ASKED))


@dataclass(eq=False)
class Slot:
    """A group on its way through the model.

    Attributes:
        base: Columns of system text and prefix, where the questions begin.
        waiting: Questions that are still to be asked.
        asked: Questions that are in the cache; question i is owner i + 1.
    """

    group: Group
    base: int
    waiting: list[Question]
    asked: list[Question] = field(default_factory=list)


class Sharing:
    """Answers groups, some slots full at a time."""

    def __init__(
        self,
        model: Any,
        eos: Sequence[int],
        slots: Slots,
        stage: Stage,
        system: Sequence[int] = (),
    ) -> None:
        """Take empty slots.

        Args:
            model: A `LlavaForConditionalGeneration`.
            eos: Ids that end an answer.
            slots: Where keys and values go; empty.
            stage: Told which stage begins and ends.
            system: Tokens that all prefixes begin with; none of them an image's.
        """
        self.model, self.eos, self.slots, self.stage = model, eos, slots, stage
        self.most_tokens = MOST_TOKENS.get(model.device.type, MOST_TOKENS_ELSEWHERE)
        self.system = list(system)
        self.begun = False
        self.busy: list[Slot] = []

    @torch.inference_mode()
    def answer(self, groups: Iterator[Group]) -> Iterator[list[Group]]:
        """Answer all questions of all groups greedily, and yield groups as they are done.

        Args:
            groups: Taken as slots become free.
        """
        while True:
            admitted = list(islice(groups, self.slots.count - len(self.busy)))
            if admitted:
                self._admit(admitted)
            if not self.busy:
                return
            self._ask()
            self._decode()
            if done := self._leave():
                yield done

    def _admit(self, groups: Sequence[Group]) -> None:
        """Put groups into the free slots and send their prefixes through the model."""
        system, first = len(self.system), len(self.busy)
        for group in groups:
            waiting = sorted(group.questions, key=lambda q: -len(q.ids))
            self.busy.append(Slot(group, len(group.prefix), waiting))
        with self.stage("prefix"):
            if not self.begun:
                self._begin()
            for place in range(first, len(self.busy)):
                self.slots.forget(place, system)
            tokens = [_tokens(g.prefix[system:], PREFIX, system) for g in groups]
            for start, stop in self._passes([len(t.ids) for t in tokens]):
                ends = []
                for place in range(start, stop):
                    slot = self.busy[first + place]
                    if not slot.waiting[0].ids:  # the whole prompt was the prefix
                        slot.asked.append(slot.waiting.pop())
                        ends.append((place - start, len(tokens[place].ids) - 1, slot.asked[0]))
                pixels = [g.pixels for g in groups[start:stop] if g.pixels is not None]
                images = torch.cat(pixels) if pixels else None
                self._step(first + start, tokens[start:stop], ends, images)

    def _begin(self) -> None:
        """Compute the system text, and put it in front in every slot."""
        if self.system:
            self._forward(0, [_tokens(self.system, PREFIX, 0)])
            for slot in range(1, self.slots.count):
                self.slots.move(0, slot)
        self.begun = True

    def _ask(self) -> None:
        """Send the questions of the slots that rest through the model, and find first tokens.

        One pass takes a pack of them per slot, so that little is computed behind the mask. Each
        pack is written right behind the prefix, and then moved behind the packs to come.
        """
        packs: dict[int, list[list[tuple[int, Question]]]] = {}
        for place, slot in enumerate(self.busy):
            if slot.waiting and not self._alive(slot):
                self.slots.forget(place, slot.base)
                slot.asked = self._turn(slot)
                packs[place] = list(_packs(slot.asked))
        with self.stage("questions"):
            while packs:
                for first, last in _runs(list(packs)):
                    self._ask_packs(
                        first, [packs[place].pop(0) for place in range(first, last + 1)]
                    )
                for place, later in packs.items():
                    to_come = sum(question.length for pack in later for _, question in pack)
                    self.slots.set_aside(place, self.busy[place].base, to_come)
                packs = {place: later for place, later in packs.items() if later}

    def _ask_packs(self, first: int, packs: Sequence[Sequence[tuple[int, Question]]]) -> None:
        """Send one pack of neighbouring slots each through the model."""
        rows = []
        for place, pack in enumerate(packs, first):
            tokens = Tokens([], [], [])
            for owner, question in pack:
                # One that was interrupted brings what it has found.
                tokens.add([*question.ids, *question.new], owner, self.busy[place].base)
            rows.append(tokens)
        for start, stop in self._passes([len(row.ids) for row in rows]):
            ends = []
            for row, pack in enumerate(packs[start:stop]):
                end = -1
                for _, question in pack:
                    end += question.length
                    ends.append((row, end, question))
            self._step(first + start, rows[start:stop], ends)

    def _turn(self, slot: Slot) -> list[Question]:
        """Take as many waiting questions as a slot has columns for, at least one."""
        room = self.slots.columns - slot.base
        taken: list[Question] = []
        for question in slot.waiting:
            wanted = question.length + max(1, len(question.new))  # as many words again
            if taken and wanted > room:
                break
            taken.append(question)
            room -= wanted
        del slot.waiting[: len(taken)]
        return taken

    def _decode(self) -> None:
        """Find one token per living question and step, until half of the slots rest."""
        with self.stage("decode"):
            while True:
                for place, slot in enumerate(self.busy):
                    self._make_room(place, slot)
                living = [place for place, slot in enumerate(self.busy) if self._alive(slot)]
                if 2 * len(living) <= len(self.busy):
                    return
                first, ends, rows = living[0], [], []
                for row, slot in enumerate(self.busy[first : living[-1] + 1]):
                    tokens = Tokens([], [], [])
                    for owner, question in self._alive(slot):
                        position = slot.base + len(question.ids) + len(question.new) - 1
                        ends.append((row, len(tokens.ids), question))
                        tokens.add(question.new[-1:], owner, position)
                    rows.append(tokens)
                self._step(first, rows, ends)

    def _alive(self, slot: Slot) -> list[tuple[int, Question]]:
        """Return the questions of a slot whose answer has not ended, with their owners."""
        return [(i, q) for i, q in enumerate(slot.asked, 1) if q.new and not q.finished(self.eos)]

    def _make_room(self, place: int, slot: Slot) -> None:
        """Let questions wait whose answers have no columns left; they go on in another turn."""
        free = self.slots.columns - self.slots.used[place]
        alive = self._alive(slot)
        for owner, question in alive[max(free, 0) :]:
            slot.asked[owner - 1] = Question([], 0)  # nobody: its columns stay until the turn ends
            slot.waiting.append(question)

    def _leave(self) -> list[Group]:
        """Take groups that are done out of their slots, and close the ranks of the others."""
        done, stay = [], []
        for place, slot in enumerate(self.busy):
            if slot.waiting or self._alive(slot):
                stay.append(place)
            else:
                done.append(slot.group)
        holes = [place for place in range(len(stay)) if place not in set(stay)]
        late = [place for place in stay if place >= len(stay)]
        for source, target in zip(late, holes, strict=True):
            self.slots.move(source, target)
            self.busy[target] = self.busy[source]
        del self.busy[len(stay) :]
        return done

    def _passes(self, lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Cut a run of slots into passes of not too many tokens; yield first and end."""
        start = 0
        for place in range(1, len(lengths) + 1):
            rows = place + 1 - start
            if place == len(lengths) or rows * max(lengths[start : place + 1]) > self.most_tokens:
                yield start, place
                start = place

    def _step(
        self,
        first: int,
        rows: Sequence[Tokens],
        ends: Sequence[tuple[int, int, Question]],
        pixels: torch.Tensor | None = None,
    ) -> None:
        """Send tokens through the model, and find what comes behind some of them.

        Args:
            first: Slot of the first row.
            rows: New tokens of that slot and of those that follow it.
            ends: Row, place in it, and the question whose next token is wanted.
            pixels: Of the images among the tokens.
        """
        wanted = [row for row, _, _ in ends], [place for _, place, _ in ends]
        with answers_only(self.model, wanted):
            hidden = self._forward(first, rows, pixels)
        if not ends:
            return
        logits = self.model.lm_head(hidden[wanted])
        tokens, spoilt = logits.argmax(-1).tolist(), logits.isnan().any(-1).tolist()
        for (_, _, question), token, no_number in zip(ends, tokens, spoilt, strict=True):
            if no_number:
                question.error = NO_NUMBERS
            else:
                question.new.append(token)

    def _forward(
        self, first: int, rows: Sequence[Tokens], pixels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Send tokens through the model behind what their slots hold.

        Returns:
            Hidden states, shape (rows, longest row, width).
        """
        plain = not any(self.slots.used[first : first + len(rows)])
        columns = self.slots.open(first, [row.owners for row in rows])
        width = columns.shape[1]
        ids, positions = (
            torch.tensor([[*part, *[0] * (width - len(part))] for part in parts]).to(columns)
            for parts in ([row.ids for row in rows], [row.positions for row in rows])
        )
        output = self.model.model(
            input_ids=ids,
            pixel_values=None if pixels is None else pixels.to(columns.device, self.model.dtype),
            # Behind nothing, plain causal attention is right, and faster.
            attention_mask=None if plain else self._mask(columns),
            position_ids=positions,
            past_key_values=self.slots.cache,
            use_cache=True,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def _mask(self, columns: torch.Tensor) -> torch.Tensor:
        """Say who sees what: shape (rows, 1, queries, keys).

        The prefix is seen by padding too: a query that sees nothing would be NaN, and a value
        that is NaN spoils every sum, even where its weight is zero.
        """
        owners = self.slots.owners[self.slots.rows]
        mine = owners.gather(1, columns)[:, :, None]
        keys = owners[:, None, : self.slots.seen]
        places = torch.arange(self.slots.seen, device=columns.device)
        earlier = places[None, None, :] <= columns[:, :, None]
        seen = (((keys == mine) & (keys != NOBODY)) | (keys == PREFIX)) & earlier
        seen = seen[:, None]
        if self.model.config._attn_implementation == "sdpa":
            return seen
        # Eager attention adds its mask: a boolean one would be wrong without a word.
        dtype = self.model.dtype
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(
            ~seen, torch.finfo(dtype).min
        )


@dataclass
class Tokens:
    """What one row sends through the model: ids, owners and positions, of equal length."""

    ids: list[int]
    owners: list[int]
    positions: list[int]

    def add(self, ids: Sequence[int], owner: int, start: int) -> None:
        """Append tokens of one question, at positions from `start` on."""
        self.ids.extend(ids)
        self.owners.extend([owner] * len(ids))
        self.positions.extend(range(start, start + len(ids)))


def _tokens(ids: Sequence[int], owner: int, start: int) -> Tokens:
    return Tokens(list(ids), [owner] * len(ids), list(range(start, start + len(ids))))


def _packs(questions: Sequence[Question]) -> Iterator[list[tuple[int, Question]]]:
    """Cut a turn into packs of not too many tokens; questions come with their owners."""
    pack: list[tuple[int, Question]] = []
    for owner, question in enumerate(questions, 1):
        if pack and sum(q.length for _, q in pack) + question.length > MOST_PACKED:
            yield pack
            pack = []
        pack.append((owner, question))
    yield pack


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours.

    >>> list(_runs([0, 1, 2, 5, 7, 8]))
    [(0, 2), (5, 5), (7, 8)]
    """
    start = 0
    for place in range(1, len(places) + 1):
        if place == len(places) or places[place] != places[place - 1] + 1:
            yield places[start], places[place - 1]
            start = place


@contextmanager
def answers_only(model: Any, wanted: tuple[list[int], list[int]]) -> Iterator[None]:
    """Spare the last layer's MLP wherever no answer is read.

    Keys and values of the last layer come before its MLP, so what goes through it matters only
    where the next token is wanted: for a few tokens of hundreds.

    Args:
        model: A LLaVA whose language model is a stack of decoder layers.
        wanted: Row and place of each token whose hidden state is read.
    """
    mlp = model.model.language_model.layers[-1].mlp
    shape: list[Any] = []

    def narrow(_: Any, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        shape.append(inputs[0])
        return (inputs[0][wanted],)

    def widen(_: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        whole = torch.zeros_like(shape.pop())
        whole[wanted] = output
        return whole

    handles = mlp.register_forward_pre_hook(narrow), mlp.register_forward_hook(widen)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
