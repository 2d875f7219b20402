"""Letters in circles: the mini splits of MMBench and MMBench-CN.

Each question is asked once for every rotation of its options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from llava_eval.choice_rows import ROTATION
from llava_eval.demo.mini.table import IMAGE_TYPE, Deck, Picture, Row, ask_until, draw_pictures
from llava_eval.demo.questions import LETTERS, Question
from llava_eval.demo.scenes import seeded

IMAGES = {"single": 12, "several": 14, "strip": 4}
CIRCLES = 2  # a leaf category
# Numbers of options, in turn.
SIZES = (4, 3, 2, 4, 2, 3, 4)
HINT_EVERY = 5
# Circles of four options whose last one stays where it is, as "all of the above" does in
# MMBench: these have only three rotations.
FIXED_LAST_EVERY = 11
FIRST_INDEX = 241

COARSE = "coarse_perception"
INSTANCE = "finegrained_perception (instance-level)"
CROSS = "finegrained_perception (cross-instance)"
LEAVES = {
    "image_scene": COARSE,
    "image_quality": COARSE,
    "image_topic": COARSE,
    "image_emotion": COARSE,
    "image_style": COARSE,
    "object_localization": INSTANCE,
    "attribute_recognition": INSTANCE,
    "celebrity_recognition": INSTANCE,
    "ocr": INSTANCE,
    "spatial_relationship": CROSS,
    "attribute_comparison": CROSS,
    "action_recognition": CROSS,
    "physical_property_reasoning": "attribute_reasoning",
    "identity_reasoning": "attribute_reasoning",
    "function_reasoning": "attribute_reasoning",
    "nature_relation": "relation_reasoning",
    "physical_relation": "relation_reasoning",
    "social_relation": "relation_reasoning",
    "future_prediction": "logic_reasoning",
    "structuralized_imagetext_understanding": "logic_reasoning",
}
ENGLISH = ("mc_number", "mc_present", "mc_count", "mc_number_in_colour", "mc_colour")
ENGLISH_LEAVES = {"spatial_relationship": "mc_side", "ocr": "mc_number"}
CHINESE = ("cn_number", "cn_colour", "cn_count")

SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("question", pa.string()),
        ("hint", pa.string()),
        ("answer", pa.string()),
        ("A", pa.string()),
        ("B", pa.string()),
        ("C", pa.string()),
        ("D", pa.string()),
        ("category", pa.string()),
        ("image", IMAGE_TYPE),
        ("source", pa.string()),
        ("L2-category", pa.string()),
        ("comment", pa.string()),
        ("split", pa.string()),
    ]
)


def mmbench() -> pa.Table:
    """Build the MMBench mini split: two circles in each of the 20 leaf categories.

    Returns:
        Rows in the schema of `lmms-lab/MMBench`, configuration en, split dev.
    """
    return _circles("mini mmbench 1", ENGLISH, ENGLISH_LEAVES)


def mmbench_cn() -> pa.Table:
    """Build the MMBench-CN mini split, made like the English one.

    Returns:
        Rows in the schema of `lmms-lab/MMBench`, configuration cn, split dev.
    """
    return _circles("mini mmbench_cn 1", CHINESE, {})


def _circles(seed: str, types: Sequence[str], special: Mapping[str, str]) -> pa.Table:
    rng = seeded(seed)
    deck = Deck(rng, draw_pictures(rng, IMAGES))
    leaves = [leaf for leaf in LEAVES for _ in range(CIRCLES)]
    rows: list[Row] = []
    for number, leaf in enumerate(leaves):
        name = special.get(leaf, types[number % len(types)])
        size = 2 if name == "mc_side" else SIZES[number % len(SIZES)]
        hinted = number % HINT_EVERY == 1 and name != "mc_side"
        shown = deck.deal(name)

        def fits(question: Question, size: int = size, hinted: bool = hinted) -> bool:
            bare = question.style in ("letter", "letter_cn")
            return bare and len(question.options) == size and bool(question.hint) == hinted

        question = ask_until(rng, name, shown.scene, fits)
        fixed = 1 if size == len("ABCD") and number % FIXED_LAST_EVERY == 0 else 0
        for turn, turned in enumerate(rotations(question, fixed)):
            rows.append(_row(FIRST_INDEX + number + turn * ROTATION, leaf, turned, shown))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def rotations(question: Question, fixed: int = 0) -> list[Question]:
    """Turn the options of a question through all places, and its letter with them.

    Args:
        question: With options.
        fixed: How many options at the end stay where they are.

    Returns:
        One question for each option that moves, the first as it was.

    >>> turned = rotations(Question("Which?", "A", "letter", ("red", "blue", "green")))
    >>> [(question.answer, "".join(word[0] for word in question.options)) for question in turned]
    [('A', 'rbg'), ('C', 'bgr'), ('B', 'grb')]
    """
    moving = question.options[: len(question.options) - fixed]
    still = question.options[len(moving) :]
    right = question.options[LETTERS.index(question.answer)]
    orders = [(*moving[turn:], *moving[:turn], *still) for turn in range(len(moving))]
    return [
        Question(question.text, LETTERS[order.index(right)], question.style, order, question.hint)
        for order in orders
    ]


def _row(index: int, leaf: str, question: Question, shown: Picture) -> Row:
    options = dict(zip("ABCD", question.options, strict=False))
    return {
        "index": index,
        "question": question.text,
        "hint": question.hint or None,
        "answer": question.answer,
        **options,
        "category": leaf,
        "image": shown.cell,
        "source": "handwritten digits",
        "L2-category": LEAVES[leaf],
        "split": "dev",
    }
