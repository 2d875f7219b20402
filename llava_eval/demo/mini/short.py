"""Answers of a word, from ten annotators: the mini splits of VQAv2, VizWiz and TextVQA."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pyarrow as pa

from llava_eval.demo.catalogue import ask
from llava_eval.demo.mini.annotators import ten_answers
from llava_eval.demo.mini.table import IMAGE_TYPE, Picture, Row, ask_some, draw_pictures
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import NUMBER_WORDS, seeded
from llava_eval.demo.short import reference_tokens

VQA_IMAGES = {"single": 7, "several": 15, "strip": 7, "empty": 1}
VQA_QUESTIONS = 4
VQA_ASKED = (
    "yn_exist",
    "yn_joint",
    "yn_colour",
    "yn_count",
    "colour",
    "count",
    "recognise",
    "number_in_colour",
    "larger_smaller",
    "ocr",
)
# Those of VQAv2's question types that occur: the longest with which a question begins.
VQA_TYPES = (
    "what color is the",
    "what number is",
    "what is the",
    "is there a",
    "is there",
    "are there",
    "how many",
    "is the",
    "which",
)
CONFIDENCE = ("yes", "maybe", "no")

VIZWIZ_IMAGES = {"single": 26, "several": 26, "strip": 14, "empty": 4}
VIZWIZ_ASKED = ("viz_colour", "viz_number", "viz_colour", "viz_number", "viz_other")
VIZWIZ_YES_NO = 3

TEXTVQA_IMAGES = {"strip": 36}
TEXTVQA_FIRST_ID = 34602

ANSWER = pa.struct(
    [("answer", pa.string()), ("answer_confidence", pa.string()), ("answer_id", pa.int64())]
)
VQAV2_SCHEMA = pa.schema(
    [
        ("question_type", pa.string()),
        ("multiple_choice_answer", pa.string()),
        ("answers", pa.list_(ANSWER)),
        ("image_id", pa.int64()),
        ("answer_type", pa.string()),
        ("question_id", pa.int64()),
        ("question", pa.string()),
        ("image", IMAGE_TYPE),
    ]
)
VIZWIZ_SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("image", IMAGE_TYPE),
        ("question", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("category", pa.string()),
    ]
)
TEXTVQA_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("question_id", pa.int32()),
        ("question", pa.string()),
        ("question_tokens", pa.list_(pa.string())),
        ("image", IMAGE_TYPE),
        ("image_width", pa.int32()),
        ("image_height", pa.int32()),
        ("flickr_original_url", pa.string()),
        ("flickr_300k_url", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("image_classes", pa.list_(pa.string())),
        ("set_name", pa.string()),
        ("ocr_tokens", pa.list_(pa.string())),
    ]
)


def question_type(text: str) -> str:
    """Name VQAv2's type of a question.

    >>> question_type("Is there an eight in the image?")
    'is there'
    """
    return next(kind for kind in VQA_TYPES if f"{text.lower()} ".startswith(f"{kind} "))


def answer_type(answer: str) -> str:
    """Name VQAv2's and VizWiz's type of an answer.

    >>> answer_type("seven")
    'number'
    """
    if answer in ("yes", "no"):
        return "yes/no"
    return "number" if answer.isdecimal() or answer in NUMBER_WORDS else "other"


def vqav2() -> pa.Table:
    """Build the VQAv2 mini split: several questions an image, ten annotators.

    Returns:
        Rows in the schema of `lmms-lab/VQAv2`, split validation.
    """
    rng = seeded("mini vqav2 1")
    rows: list[Row] = []
    for number, shown in enumerate(draw_pictures(rng, VQA_IMAGES), 1):
        asked = ask_some(rng, shown.scene, VQA_ASKED, VQA_QUESTIONS)
        for place, (_, question) in enumerate(asked):
            answers = ten_answers(rng, question.answer.lower())
            rows.append(
                {
                    "question_type": question_type(question.text),
                    "multiple_choice_answer": Counter(answers).most_common(1)[0][0],
                    "answers": _confident(rng, answers),
                    "image_id": number,
                    "answer_type": answer_type(question.answer.lower()),
                    "question_id": number * 1000 + place,
                    "question": question.text,
                    "image": shown.cell,
                }
            )
    return pa.Table.from_pylist(rows, schema=VQAV2_SCHEMA)


def _confident(rng: random.Random, answers: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "answer": answer,
            "answer_confidence": rng.choices(CONFIDENCE, (7, 2, 1))[0],
            "answer_id": number,
        }
        for number, answer in enumerate(answers, 1)
    ]


def vizwiz() -> pa.Table:
    """Build the VizWiz mini split: one question an image, half of them unanswerable.

    A few yes/no questions are among them, as in VizWiz; in this prompt the demo checkpoint has
    never practised them. Some questions begin in lower case: LLaVA's prompt changes that.

    Returns:
        Rows in the schema of `lmms-lab/VizWiz-VQA`, split val.
    """
    rng = seeded("mini vizwiz 1")
    pictures = draw_pictures(rng, VIZWIZ_IMAGES, "VizWiz_val_{:08d}")
    rows = [_vizwiz_row(rng, number, shown) for number, shown in enumerate(pictures)]
    return pa.Table.from_pylist(rows, schema=VIZWIZ_SCHEMA)


def _vizwiz_row(rng: random.Random, number: int, shown: Picture) -> Row:
    name = VIZWIZ_ASKED[number % len(VIZWIZ_ASKED)]
    question = ask("yn_exist" if number < VIZWIZ_YES_NO else name, rng, shown.scene)
    assert question  # these types are asked about every scene
    answer = question.answer.lower()
    return {
        "question_id": shown.name,
        "image": shown.cell,
        "question": question.text.lower() if number % 3 == 0 else question.text,
        "answers": ten_answers(rng, answer),
        "category": answer if answer == "unanswerable" else answer_type(answer),
    }


def textvqa() -> pa.Table:
    """Build the TextVQA mini split: two questions a strip, with right, wrong or no OCR tokens.

    Returns:
        Rows in the schema of `lmms-lab/textvqa`, split validation.
    """
    rng = seeded("mini textvqa 1")
    rows: list[Row] = []
    for shown in draw_pictures(rng, TEXTVQA_IMAGES, "{:016x}"):
        tokens = list(reference_tokens(rng, shown.scene.number))
        asked = ask_some(rng, shown.scene, ["ocr_tokens"] * 8, 2)
        rows += [_textvqa_row(rng, question, shown, tokens) for _, question in asked]
    for number, row in enumerate(rows, TEXTVQA_FIRST_ID):
        row["question_id"] = number
    return pa.Table.from_pylist(rows, schema=TEXTVQA_SCHEMA)


def _textvqa_row(rng: random.Random, question: Question, shown: Picture, tokens: list[str]) -> Row:
    width, height = shown.scene.size
    text = question.text.lower()
    return {
        "image_id": shown.name,
        "question": text,
        "question_tokens": text.rstrip("?").split(),
        "image": shown.cell,
        "image_width": width,
        "image_height": height,
        "flickr_original_url": "",
        "flickr_300k_url": "",
        "answers": ten_answers(rng, question.answer),
        "image_classes": ["Number"],
        "set_name": "val",
        "ocr_tokens": tokens,
    }
