"""Measure an exported checkpoint with plain `generate`, one image a question.

`python -m llava_eval.demo.evaluate FOLDER` prints the accuracy table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BaseImageProcessor,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from llava_eval.demo.architecture import IMAGE_TOKENS, MEAN_COLOUR
from llava_eval.demo.catalogue import QUESTION_TYPES, ask
from llava_eval.demo.questions import Question, prompt
from llava_eval.demo.scenes import draw, random_scene, seeded
from llava_eval.families import FAMILIES, prompt_chunks
from llava_eval.images import pad_to_square

BATCH = 16
MAX_NEW_TOKENS = 48


@dataclass(frozen=True)
class Item:
    """A question and the image it goes with."""

    question: Question
    image: Image.Image


@dataclass(frozen=True)
class Line:
    """One line of the accuracy table.

    Attributes:
        type: Question type.
        n: Number of questions.
        right: Share answered exactly right.
        blind: The same with a plain image in place of the real one.
        majority: Share of the most frequent gold answer.
    """

    type: str
    n: int
    right: float
    blind: float
    majority: float


@dataclass(frozen=True)
class Checkpoint:
    """A loaded folder."""

    model: LlavaForConditionalGeneration
    tokenizer: PreTrainedTokenizerFast
    processor: BaseImageProcessor


def load(folder: Path) -> Checkpoint:
    """Load an exported folder in float32.

    Raises:
        ValueError: A weight is missing, or one is left over.
    """
    model, info = LlavaForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    for name in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[name]:
            raise ValueError(f"{folder}: {name} {sorted(info[name])}")
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return Checkpoint(model.eval(), AutoTokenizer.from_pretrained(folder), processor)


def input_ids(tokenizer: PreTrainedTokenizerFast, question: Question) -> list[int]:
    """Tokenise a prompt chunk by chunk, with the places of the image between the chunks."""
    family = FAMILIES["llava-1.5"]
    chunks = prompt_chunks(family, prompt(question), question.has_image)
    parts = [
        tokenizer(chunk, add_special_tokens=False, split_special_tokens=True).input_ids
        for chunk in chunks
    ]
    ids = [tokenizer.bos_token_id, *parts[0]]
    for part in parts[1:]:
        ids += [tokenizer.convert_tokens_to_ids("<image>")] * IMAGE_TOKENS + part
    return ids


@torch.no_grad()
def answer(checkpoint: Checkpoint, items: Sequence[Item]) -> list[str]:
    """Answer one batch greedily, padded on the left.

    Args:
        checkpoint: A loaded folder.
        items: Questions that all have an image, or all have none.

    Returns:
        The answers, stripped.
    """
    rows = [input_ids(checkpoint.tokenizer, item.question) for item in items]
    batch = checkpoint.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    if items[0].question.has_image:
        images = [pad_to_square(item.image, MEAN_COLOUR) for item in items]
        batch["pixel_values"] = checkpoint.processor(images, return_tensors="pt").pixel_values
    output = checkpoint.model.generate(**batch, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    said = checkpoint.tokenizer.batch_decode(
        output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
    )
    return [text.strip() for text in said]


def share_right(checkpoint: Checkpoint, items: Sequence[Item]) -> float:
    """Share of the items whose answer is the gold answer, to the character."""
    said: list[str] = []
    for start in range(0, len(items), BATCH):
        said += answer(checkpoint, items[start : start + BATCH])
    return sum(text == item.question.answer for text, item in zip(said, items, strict=True)) / len(
        items
    )


def sample_items(name: str, count: int, seed: int) -> list[Item]:
    """Draw questions of one type about scenes of held-out digits, one scene a question."""
    rng = seeded(f"evaluate {seed} {name}")
    items: list[Item] = []
    while len(items) < count:
        scene = random_scene(rng, "test")
        if question := ask(name, rng, scene):
            items.append(Item(question, draw(scene)))
    return items


def blindfold(items: Sequence[Item]) -> list[Item]:
    """Replace every image by a plain one of the same shape."""
    return [Item(item.question, Image.new("RGB", item.image.size, MEAN_COLOUR)) for item in items]


def evaluate(folder: Path, count: int = 200, seed: int = 0) -> list[Line]:
    """Measure every question type on held-out digits.

    Args:
        folder: An exported checkpoint.
        count: Questions per type.
        seed: Decides scenes and questions.

    Returns:
        One line per type.
    """
    checkpoint = load(folder)
    lines = []
    for name in QUESTION_TYPES:
        items = sample_items(name, count, seed)
        commonest = Counter(item.question.answer for item in items).most_common(1)[0][1]
        lines.append(
            Line(
                type=name,
                n=count,
                right=share_right(checkpoint, items),
                blind=share_right(checkpoint, blindfold(items)),
                majority=commonest / count,
            )
        )
    return lines


def as_table(lines: Sequence[Line]) -> str:
    """Format the lines as a Markdown table, in percent."""
    rows = [
        f"| {line.type} | {line.n} | {100 * line.right:.1f} | {100 * line.blind:.1f} "
        f"| {100 * line.majority:.1f} |"
        for line in lines
    ]
    head = "| type | n | right | blank image | majority |\n|---|---|---|---|---|"
    return "\n".join([head, *rows])


def main() -> None:
    """Parse the command line and print the accuracy table."""
    parser = argparse.ArgumentParser(description="Measure an exported checkpoint.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200, help="questions per type")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(as_table(evaluate(options.folder, options.count)))


if __name__ == "__main__":
    main()
