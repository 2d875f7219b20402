"""Yes/no questions: the mini splits of POPE and MME."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pyarrow as pa

from llava_eval.demo.mini.table import (
    IMAGE_TYPE,
    Deck,
    Row,
    ask_until,
    draw_pictures,
    draw_scenes,
    image_cell,
)
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, Scene, seeded
from llava_eval.demo.short import article

POPE_IMAGES = {"single": 10, "several": 20, "strip": 10}
POPE_SEED = "mini pope 1"
COLOUR_NAMES = tuple(COLOURS)
CATEGORIES = ("adversarial", "popular", "random")

POPE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("image_source", pa.string()),
        ("image", IMAGE_TYPE),
        ("category", pa.string()),
    ]
)

MME_IMAGES = {"single": 8, "several": 16, "strip": 8}
# Question type and number of images.
MME_TASKS = {
    "existence": ("yn_exist", 5),
    "count": ("yn_count", 5),
    "position": ("yn_side", 5),
    "color": ("yn_colour", 5),
    "posters": ("yn_joint", 5),
    "celebrity": ("yn_exist", 5),
    "scene": ("yn_count", 5),
    "landmark": ("yn_joint", 5),
    "artwork": ("yn_colour", 5),
    "OCR": ("yn_ocr", 5),
    "commonsense_reasoning": ("yn_exist", 5),
    "numerical_calculation": ("yn_count", 4),
    "text_translation": ("yn_colour", 4),
    "code_reasoning": ("yn_joint", 4),
}
MME_FOLDERS = ("artwork", "celebrity", "landmark", "posters", "scene")
# MME's own files have one blank before their instruction, and two in some tasks.
MME_INSTRUCTION = "Please answer yes or no."
TWO_BLANKS = ("commonsense_reasoning", "text_translation")

MME_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image", IMAGE_TYPE),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("category", pa.string()),
    ]
)


def _words(scene: Scene) -> list[str]:
    return list(dict.fromkeys(digit.word for digit in scene.digits))


def _absent_at_random(rng: random.Random, scene: Scene, popular: list[str]) -> list[str]:
    """List the digits that are not in the image, in random order."""
    absent = [word for word in NUMBER_WORDS if word not in _words(scene)]
    return rng.sample(absent, len(absent))


def _absent_but_popular(rng: random.Random, scene: Scene, popular: list[str]) -> list[str]:
    """List the digits that are not in the image, the most frequent of the split first."""
    return [word for word in popular if word not in _words(scene)]


def _positives(scene: Scene, coloured: bool) -> list[str]:
    """Name the digits that are in the image."""
    colours = {digit.word: f"{digit.colour} " if coloured else "" for digit in scene.digits}
    return [f"{colour}{word}" for word, colour in colours.items()]


def _negatives(
    rng: random.Random, scene: Scene, category: str, popular: list[str], coloured: bool
) -> list[str]:
    """Name digits that are not in the image, or in the adversarial case not in this colour."""
    if category == "adversarial":
        worn = {(digit.colour, digit.word) for digit in scene.digits}
        pairs = [(colour, word) for word in _words(scene) for colour in rng.sample(COLOUR_NAMES, 6)]
        free = {word: colour for colour, word in pairs if (colour, word) not in worn}
        return [f"{colour} {word}" for word, colour in free.items()]
    absent = _absent_at_random if category == "random" else _absent_but_popular
    words = absent(rng, scene, popular)
    return [f"{rng.choice(scene.digits).colour} {word}" if coloured else word for word in words]


def _pope_questions(
    rng: random.Random, scene: Scene, category: str, popular: list[str], coloured: bool
) -> list[tuple[str, str]]:
    """Pair nouns and answers about one image, yes and no in turn as in POPE.

    A colour in the noun must not give the answer away: within a category, an image's positive and
    negative nouns are all coloured or all plain.
    """
    coloured = coloured or category == "adversarial"
    count = 2 if scene.kind == "several" and len(scene.digits) > 2 else 1
    yes = [(noun, "yes") for noun in _positives(scene, coloured)]
    no = [(noun, "no") for noun in _negatives(rng, scene, category, popular, coloured)]
    pairs = list(zip(yes, no, strict=False))[:count]
    return [row for pair in pairs for row in pair]


def pope() -> pa.Table:
    """Build the POPE mini split, which asks whether a digit is in the image.

    Negative questions ask for a digit picked at random ("random"), for the most frequent absent
    digit ("popular"), or for a digit that is there in another colour ("adversarial"). Half the
    answers are yes; the positive questions of every second image are the same in all categories.

    Returns:
        Rows in the schema of `lmms-lab/POPE`.
    """
    rng = seeded(POPE_SEED)
    scenes = draw_scenes(rng, POPE_IMAGES)
    frequency = Counter(word for scene in scenes for word in _words(scene))
    popular = sorted(NUMBER_WORDS, key=lambda word: (-frequency[word], word))
    names = [f"digits_{number:04d}" for number in range(len(scenes))]
    cells = [image_cell(scene, name) for scene, name in zip(scenes, names, strict=True)]
    rows: list[Row] = []
    for category in CATEGORIES:
        first = len(rows)
        for number, scene in enumerate(scenes):
            asked = _pope_questions(rng, scene, category, popular, coloured=number % 2 == 0)
            for noun, answer in asked:
                rows.append(
                    {
                        "id": str(len(rows)),
                        "question_id": str(len(rows) - first + 1),
                        "question": f"Is there {article(noun)} in the image?",
                        "answer": answer,
                        "image_source": names[number],
                        "image": cells[number],
                        "category": category,
                    }
                )
    return pa.Table.from_pylist(rows, schema=POPE_SCHEMA)


def mme() -> pa.Table:
    """Build the MME mini split: two questions about each image, the first answered with yes.

    Returns:
        Rows in the schema of `lmms-lab/MME`. `question_id` is a path as in LLaVA's files, below
        `images/` in the five tasks whose folders have one.
    """
    rng = seeded("mini mme 1")
    deck = Deck(rng, draw_pictures(rng, MME_IMAGES))
    rows: list[Row] = []
    for category, (name, images) in MME_TASKS.items():
        folder = f"{category}/images" if category in MME_FOLDERS else category
        blanks = "  " if category in TWO_BLANKS else " "
        for _ in range(images):
            shown = deck.deal(name)
            for answer in ("Yes", "No"):
                question = ask_until(rng, name, shown.scene, partial(_answered, answer))
                rows.append(
                    {
                        "question_id": f"{folder}/{shown.name}.png",
                        "image": shown.cell,
                        "question": f"{question.text}{blanks}{MME_INSTRUCTION}",
                        "answer": answer,
                        "category": category,
                    }
                )
    return pa.Table.from_pylist(rows, schema=MME_SCHEMA)


def _answered(answer: str, question: Question) -> bool:
    return question.answer == answer
