"""Letters, one question a row: the mini splits of ScienceQA and SEED-Bench."""

from __future__ import annotations

import random

import pyarrow as pa

from llava_eval.demo.choices import text_only
from llava_eval.demo.mini.table import IMAGE_TYPE, Deck, Picture, Row, ask_until, draw_pictures
from llava_eval.demo.questions import LETTERS, Question
from llava_eval.demo.scenes import seeded

SCIENCEQA_IMAGES = {"single": 10, "several": 14, "strip": 4}
SCIENCEQA_PICTURED = 48
SCIENCEQA_TEXT_ONLY = 32
# Question type and how many options it can have.
SCIENCEQA_ASKED = (
    ("mc_number", (2, 3, 4, 5)),
    ("mc_present", (2, 3, 4, 5)),
    ("mc_count", (2, 3, 4)),
    ("mc_colour", (2, 3, 4, 5)),
    ("mc_number_in_colour", (2, 3, 4, 5)),
    ("mc_number", (2, 3, 4, 5)),
    ("mc_present", (2, 3, 4, 5)),
)
# subject, topic, category, skill
COURSES = (
    ("natural science", "physics", "Velocity, acceleration, and forces", "Compare magnitudes"),
    ("natural science", "biology", "Classification", "Identify common and scientific names"),
    ("social science", "geography", "Maps", "Read a map: cardinal directions"),
    ("language science", "vocabulary", "Categories", "Which word is not like the others?"),
    ("natural science", "chemistry", "Solutions", "Compare concentrations of solutions"),
    ("social science", "economics", "Basic economic principles", "Costs and benefits"),
    ("language science", "grammar", "Sentences and fragments", "Identify the complete sentence"),
)
GRADES = 12

SEED_IMAGES = {"single": 10, "several": 14, "strip": 6}
SEED_QUESTIONS = 6
SEED_OPTIONS = 4
SEED_VIDEO = (10, 11, 12)
SEED_ASKED = {
    1: "mc_count",
    2: "mc_present",
    3: "mc_colour",
    4: "mc_number_in_colour",
    5: "mc_count",
    6: "mc_present",
    7: "mc_number_in_colour",
    8: "mc_count",
    9: "mc_number",
    10: "mc_number",
    11: "mc_present",
    12: "mc_count",
}

SCIENCEQA_SCHEMA = pa.schema(
    [
        ("image", IMAGE_TYPE),
        ("question", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("answer", pa.int8()),
        ("hint", pa.string()),
        ("task", pa.string()),
        ("grade", pa.string()),
        ("subject", pa.string()),
        ("topic", pa.string()),
        ("category", pa.string()),
        ("skill", pa.string()),
        ("lecture", pa.string()),
        ("solution", pa.string()),
    ]
)
SEED_SCHEMA = pa.schema(
    [
        ("answer", pa.string()),
        ("choice_a", pa.string()),
        ("choice_b", pa.string()),
        ("choice_c", pa.string()),
        ("choice_d", pa.string()),
        ("data_id", pa.string()),
        ("data_type", pa.string()),
        ("question", pa.string()),
        ("question_id", pa.string()),
        ("question_type_id", pa.int16()),
        ("image", pa.list_(IMAGE_TYPE)),
        ("segment", pa.list_(pa.float64())),
    ]
)


def scienceqa() -> pa.Table:
    """Build the ScienceQA mini split: two to five options, with image, hint, both or neither.

    Returns:
        Rows in the schema of `lmms-lab/ScienceQA`, configuration ScienceQA-FULL, in shuffled
        order; the image of a question that has none is null.
    """
    rng = seeded("mini scienceqa 1")
    deck = Deck(rng, draw_pictures(rng, SCIENCEQA_IMAGES))
    asked = [_pictured(rng, deck, number) for number in range(SCIENCEQA_PICTURED)]
    asked += [(text_only(rng), None) for _ in range(SCIENCEQA_TEXT_ONLY)]
    rng.shuffle(asked)
    rows = [_scienceqa_row(number, *pair) for number, pair in enumerate(asked)]
    return pa.Table.from_pylist(rows, schema=SCIENCEQA_SCHEMA)


def _pictured(rng: random.Random, deck: Deck, number: int) -> tuple[Question, Picture | None]:
    """Ask one question with an image, every third of them with a hint."""
    name, sizes = SCIENCEQA_ASKED[number % len(SCIENCEQA_ASKED)]
    size = sizes[number // 2 % len(sizes)]
    style = "scienceqa" if number % 3 == 0 else "letter"
    shown = deck.deal(name)

    def fits(question: Question) -> bool:
        hinted = bool(question.hint) == (style == "scienceqa")
        return hinted and question.style == style and len(question.options) == size

    return ask_until(rng, name, shown.scene, fits), shown


def _scienceqa_row(number: int, question: Question, shown: Picture | None) -> Row:
    subject, topic, category, skill = COURSES[number % len(COURSES)]
    right = LETTERS.index(question.answer)
    return {
        "image": shown.cell if shown else None,
        "question": question.text,
        "choices": list(question.options),
        "answer": right,
        "hint": question.hint,
        "task": "closed choice",
        "grade": f"grade{number % GRADES + 1}",
        "subject": subject,
        "topic": topic,
        "category": category,
        "skill": skill,
        "lecture": "",
        "solution": f"The answer is {question.options[right]}.",
    }


def seedbench() -> pa.Table:
    """Build the SEED-Bench mini split: twelve dimensions, four options each.

    A video has three frames of different scenes, and its question is about the middle one: who
    looks at another frame answers wrongly.

    Returns:
        Rows in the schema of `lmms-lab/SEED-Bench`.
    """
    rng = seeded("mini seedbench 1")
    pictures = draw_pictures(rng, SEED_IMAGES)
    deck = Deck(rng, pictures)
    rows: list[Row] = []
    for dimension, name in SEED_ASKED.items():
        for _ in range(SEED_QUESTIONS):
            shown = deck.deal(name)
            question = ask_until(rng, name, shown.scene, _has_four_bare_options)
            frames = [shown]
            if dimension in SEED_VIDEO:
                others = [other for other in pictures if other is not shown]
                first, last = rng.sample(others, 2)
                frames = [first, shown, last]
            rows.append(_seed_row(rng, len(rows), dimension, question, frames))
    return pa.Table.from_pylist(rows, schema=SEED_SCHEMA)


def _has_four_bare_options(question: Question) -> bool:
    return len(question.options) == SEED_OPTIONS and not question.hint


def _seed_row(
    rng: random.Random, number: int, dimension: int, question: Question, frames: list[Picture]
) -> Row:
    video = dimension in SEED_VIDEO
    names = ("choice_a", "choice_b", "choice_c", "choice_d")
    return {
        "answer": question.answer,
        **dict(zip(names, question.options, strict=True)),
        "data_id": f"{dimension}_{number}.mp4" if video else f"{frames[0].name}.png",
        "data_type": "video" if video else "image",
        "question": question.text,
        "question_id": f"v{number}" if video else str(100000 + number),
        "question_type_id": dimension,
        "image": [frame.cell for frame in frames],
        "segment": _segment(rng, dimension),
    }


def _segment(rng: random.Random, dimension: int) -> list[float]:
    """Cut a clip out: in seconds for dimension 11, in frames for 12; others are whole."""
    start = rng.randrange(100)
    segments = {11: [start + 0.5, start + 3.25], 12: [start, start + 90.0]}
    return segments.get(dimension, [])
