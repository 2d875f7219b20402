"""Answers of a sentence, rated by a judge: the mini splits of LLaVA-Bench and MM-Vet."""

from __future__ import annotations

import random
from itertools import cycle

import pyarrow as pa

from llava_eval.adapters import MMVET_SAME_IMAGE
from llava_eval.demo.catalogue import ask
from llava_eval.demo.free import description
from llava_eval.demo.mini.table import (
    IMAGE_TYPE,
    Picture,
    Row,
    ask_some,
    draw_pictures,
    picture,
)
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import NUMBER_WORDS, Scene, random_scene, seeded

LLAVA_BENCH_IMAGES = {"single": 7, "several": 10, "strip": 7}
CONVERSATION = ("free_colour", "free_count", "free_ocr")
COMPLEX = ("free_number", "free_ocr", "free_colour", "free_count")
SUMS = 2  # questions; the demo checkpoint does not learn to add

MMVET_QUESTIONS = 64
# Question type and the capabilities it is said to need, in turn.
MMVET_ASKED = (
    ("free_colour", "rec"),
    ("free_ocr", "ocr"),
    ("free_describe", "rec,know,gen"),
    ("free_count", "ocr,spat"),
    ("free_ocr", "ocr,math"),
    ("free_number", "rec,know"),
    ("free_colour", "rec,spat"),
    ("free_count", "ocr,spat,math"),
    ("free_describe", "rec,ocr,gen,spat"),
    ("free_number", "rec,ocr"),
    ("free_colour", "rec,know,gen"),
)
MMVET_SUM = ("free_total", "ocr,math")
MMVET_SUMS = (20, 50)  # numbers of the questions that ask for one

LLAVA_BENCH_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("image", IMAGE_TYPE),
        ("category", pa.string()),
        ("image_id", pa.string()),
        ("caption", pa.string()),
        ("gpt_answer", pa.string()),
    ]
)
MMVET_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image", IMAGE_TYPE),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("image_source", pa.string()),
        ("capability", pa.string()),
    ]
)


def llava_bench() -> pa.Table:
    """Build the LLaVA-Bench mini split: a conversation, a description and something harder.

    Returns:
        Rows in the schema of `lmms-lab/llava-bench-in-the-wild`; the reference answers are the
        right ones.
    """
    rng = seeded("mini llava_bench 1")
    rows: list[Row] = []
    sums = 0
    for shown in draw_pictures(rng, LLAVA_BENCH_IMAGES, "{:03d}"):
        total = ask_some(rng, shown.scene, ("free_total",), int(sums < SUMS))
        sums += len(total)
        conversation = ask_some(rng, shown.scene, CONVERSATION, 1)
        harder = [name for name in COMPLEX if name != conversation[0][0]]
        asked = {
            "conv": conversation,
            "detail": ask_some(rng, shown.scene, ("free_describe",), 1),
            "complex": total or ask_some(rng, shown.scene, harder, 1),
        }
        for category, pairs in asked.items():
            rows += [_llava_bench_row(len(rows), category, q, shown) for _, q in pairs]
    return pa.Table.from_pylist(rows, schema=LLAVA_BENCH_SCHEMA)


def _llava_bench_row(number: int, category: str, question: Question, shown: Picture) -> Row:
    return {
        "question_id": str(number),
        "question": question.text,
        "image": shown.cell,
        "category": category,
        "image_id": shown.name,
        "caption": description(shown.scene),
        "gpt_answer": question.answer,
    }


def mmvet() -> pa.Table:
    """Build the MM-Vet mini split.

    Returns:
        Rows in the schema of `lmms-lab/MMVet`. The same numbers as in MM-Vet ask about the
        image of the question before.
    """
    rng = seeded("mini mmvet 1")
    rows: list[Row] = []
    asked = cycle(MMVET_ASKED)
    shown = _picture_for(rng, MMVET_ASKED[0][0], 0)
    for number in range(MMVET_QUESTIONS):
        if number in MMVET_SAME_IMAGE:
            scene = shown.scene
            name, capability = next(pair for pair in asked if ask(pair[0], rng, scene))
        else:
            name, capability = MMVET_SUM if number in MMVET_SUMS else next(asked)
            shown = _picture_for(rng, name, number)
        ((_, question),) = ask_some(rng, shown.scene, (name,), 1)
        rows.append(_mmvet_row(number, question, capability, shown))
    return pa.Table.from_pylist(rows, schema=MMVET_SCHEMA)


def _picture_for(rng: random.Random, name: str, number: int) -> Picture:
    """Draw scenes until one carries a question type."""
    while True:
        scene = random_scene(rng, "test")
        if scene.digits and ask(name, rng, scene):
            return picture(scene, number, "v1_{}")


def _mmvet_row(number: int, question: Question, capability: str, shown: Picture) -> Row:
    return {
        "question_id": f"v1_{number}",
        "image": shown.cell,
        "question": question.text,
        "answer": ground_truth(question, shown.scene),
        "image_source": "handwritten digits",
        "capability": capability,
    }


def ground_truth(question: Question, scene: Scene) -> str:
    """Write the answer in MM-Vet's form: parts that are all needed, or that are all right.

    >>> scene = random_scene(seeded("doctest"), "test", "several")
    >>> ground_truth(Question("", "There are two digits.", "free"), scene)
    'two<OR>2'
    """
    if question.answer == description(scene):
        parts = [f"{digit.colour} {digit.word}" for digit in scene.digits]
        return scene.number if scene.kind == "strip" else "<AND>".join(parts)
    words = question.answer.rstrip(".").split()
    word = words[2] if words[0] == "There" else words[-1]
    return f"{word}<OR>{NUMBER_WORDS.index(word)}" if word in NUMBER_WORDS else word
