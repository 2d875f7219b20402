"""Many questions in one row: a shared prefix, then blocks that see the prefix and themselves only.

A row is `[prefix][block][block]...`. The prefix holds the system prompt and the image; every block
holds the rest of one prompt and its answer, and its positions restart right after the prefix. The
logits equal those of one prompt per row, at a tenth of the cost; `tests/test_demo_scenes.py` checks
that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from llava_eval.demo.architecture import IMAGE_TOKENS
from llava_eval.demo.drills import Drill
from llava_eval.demo.questions import Question, prompt
from llava_eval.demo.scenes import Scene
from llava_eval.families import FAMILIES, IMAGE, VICUNA_SYSTEM, prompt_chunks

IGNORED = -100
OPTION_WEIGHT = 0.3
PADDING = -1
BAD_PROMPT = "bad prompt"
Guard = str
GUARDS: tuple[Guard, ...] = ("no system", "other system", "double bos")


@dataclass
class Block:
    """Tokens of one question or drill, and what is to be predicted at which of them.

    Attributes:
        ids: Input tokens.
        targets: For every input token the token to predict there, or `IGNORED`.
        weights: Weight of that prediction in the loss.
        type: Name of the question type; "" for a drill.
        start: Position at which the first token of the answer is predicted.
    """

    ids: list[int]
    targets: list[int]
    weights: list[float]
    type: str = ""
    start: int = 0

    def expect(self, position: int, target: int, weight: float) -> None:
        """Ask for a token at a position."""
        self.targets[position] = target
        self.weights[position] = weight


@dataclass
class Row:
    """A prefix and the blocks that share it; `scene` is None for questions without an image."""

    prefix: list[int]
    blocks: list[Block]
    scene: Scene | None


@dataclass
class Batch:
    """Rows as tensors, padded on the right, where no position looks.

    Attributes:
        ids: int64 [B, L].
        positions: int64 [B, L], restarting after the prefix at every block.
        mask: bool [B, 1, L, L], True where a query may look.
        targets: int64 [B, L], `IGNORED` where nothing is predicted.
        weights: float32 [B, L].
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


class Packer:
    """Turns questions and drills into blocks, with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._core = tokenizer.backend_tokenizer
        self.bos = int(tokenizer.bos_token_id)
        self.eos = int(tokenizer.eos_token_id)
        self.image = self._core.token_to_id(IMAGE)
        self._newline = self.ids("\n")[0]
        self._yes, self._no = self.ids(" Yes")[0], self.ids(" No")[0]

    def ids(self, text: str) -> list[int]:
        """Tokenise a piece of text on its own, without `<s>`."""
        return list(self._core.encode(text, add_special_tokens=False).ids)

    def prefix(self, guard: Guard | None = None) -> list[int]:
        """Tokenise what stands before a question about an image.

        Args:
            guard: A way of getting the prompt wrong, from `GUARDS`, or None.

        Returns:
            `<s>`, the first chunk of the prompt, and the places of the image.
        """
        chunk = prompt_chunks(FAMILIES["llava-1.5"], "", has_image=True)[0]
        if guard == "no system":
            chunk = chunk.removeprefix(f"{VICUNA_SYSTEM} ")
        elif guard == "other system":
            chunk = chunk.replace("user", "human")
        start = [self.bos] * (2 if guard == "double bos" else 1)
        return [*start, *self.ids(chunk), *[self.image] * IMAGE_TOKENS]

    def question(self, name: str, question: Question, answer: str | None = None) -> Block:
        """Make the block of a question: the last chunk of its prompt, its answer and `</s>`.

        Args:
            name: Its type, for the accuracy table.
            question: What is asked.
            answer: Replaces the gold answer, and drops the targets at the options.

        Returns:
            A block that asks for the answer, and at the end of every option whether it is right:
            letters are hardly learnt without that, and nothing changes at inference.
        """
        family = FAMILIES["llava-1.5"]
        chunk = self.ids(prompt_chunks(family, prompt(question), question.has_image)[-1])
        said = self.ids(f" {answer or question.answer}")
        block = _empty_block([*chunk, *said], name)
        block.start = len(chunk) - 1
        weight = 1 / math.sqrt(len(said) + 1)
        for offset, target in enumerate([*said, self.eos]):
            block.expect(block.start + offset, target, weight)
        if answer is None:
            self._expect_options(block, chunk, question)
        return block

    def _expect_options(self, block: Block, chunk: list[int], question: Question) -> None:
        if not question.options:
            return
        newlines = [place for place, token in enumerate(chunk) if token == self._newline]
        ends = [place - 1 for place in newlines[-len(question.options) :]]
        right = "ABCDE".index(question.answer)
        for index, end in enumerate(ends):
            block.expect(end, self._yes if index == right else self._no, OPTION_WEIGHT)

    def drill(self, drill: Drill) -> Block:
        """Make the block of a drill; the loss is on its answers alone."""
        block = _empty_block(self.ids(f"\n{drill.label}"), "")
        for given, answer in drill.pairs:
            block.ids += self.ids(given)
            start = len(block.ids) - 1
            said = self.ids(answer)
            block.ids += said
            missing = len(block.ids) - len(block.targets)
            block.targets += [IGNORED] * missing
            block.weights += [0.0] * missing
            for offset, target in enumerate(said):
                block.expect(start + offset, target, 1 / math.sqrt(len(drill.pairs)))
        return block


def _empty_block(ids: list[int], name: str) -> Block:
    return Block(ids, [IGNORED] * len(ids), [0.0] * len(ids), name)


def _mask(owners: torch.Tensor) -> torch.Tensor:
    """Who may look where: backwards, at the prefix (owner 0) and at one's own block."""
    length = owners.shape[1]
    looking, seen = owners[:, :, None], owners[:, None, :]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    allowed = causal & ((seen == 0) | (seen == looking)) & (seen != PADDING)
    # Padding looks at itself: a softmax over nothing would give NaN.
    return (allowed | torch.eye(length, dtype=torch.bool))[:, None]


def collate(rows: Sequence[Row]) -> Batch:
    """Lay rows out as one padded batch.

    Args:
        rows: Any rows; all with or without an image as it comes.

    Returns:
        Their tensors.
    """
    length = max(len(row.prefix) + sum(len(block.ids) for block in row.blocks) for row in rows)
    shape = (len(rows), length)
    ids = torch.zeros(shape, dtype=torch.long)
    positions = torch.zeros(shape, dtype=torch.long)
    owners = torch.full(shape, PADDING)
    targets = torch.full(shape, IGNORED)
    weights = torch.zeros(shape)
    for number, row in enumerate(rows):
        start = len(row.prefix)
        ids[number, :start] = torch.tensor(row.prefix)
        positions[number, :start] = torch.arange(start)
        owners[number, :start] = 0
        for owner, block in enumerate(row.blocks, start=1):
            place = slice(start, start + len(block.ids))
            ids[number, place] = torch.tensor(block.ids)
            first = len(row.prefix)
            positions[number, place] = torch.arange(first, first + len(block.ids))
            owners[number, place] = owner
            targets[number, place] = torch.tensor(block.targets)
            weights[number, place] = torch.tensor(block.weights)
            start = place.stop
    return Batch(ids, positions, _mask(owners), targets, weights)
