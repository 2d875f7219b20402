"""The mini split of GQA: one right answer, and a program that says how a question is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from llava_eval.demo.mini.table import IMAGE_TYPE, Picture, Row, ask_some, draw_pictures
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import seeded

IMAGES = {"single": 7, "several": 15, "strip": 6}
QUESTIONS = 4


@dataclass(frozen=True)
class Kind:
    """GQA's names for a question: its types, its answers' global group, its last operation."""

    structural: str
    semantic: str
    detailed: str
    group: str | None
    operation: str


KINDS = {
    "yn_exist": Kind("verify", "obj", "exist", None, "exist"),
    "yn_colour": Kind("verify", "attr", "verifyAttr", None, "verify color"),
    "yn_count": Kind("verify", "global", "placeVerify", None, "verify place"),
    "yn_joint": Kind("logical", "obj", "existAnd", None, "and"),
    "either_colour": Kind("choose", "attr", "chooseAttr", "color", "choose color"),
    "larger_smaller": Kind("compare", "attr", "comparativeChoose", None, "choose older"),
    "colour": Kind("query", "attr", "directOf", "color", "query"),
    "recognise": Kind("query", "cat", "category", "number", "query"),
    "number_in_colour": Kind("query", "cat", "categoryAttr", "number", "query"),
    "count": Kind("query", "global", "place", "place", "query"),
    "side": Kind("query", "rel", "relS", "position", "relate"),
    "yn_side": Kind("verify", "rel", "relVerify", None, "verify rel"),
}

RECORD = pa.struct([("objectId", pa.string()), ("value", pa.string())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("imageId", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("fullAnswer", pa.string()),
        ("isBalanced", pa.bool_()),
        ("groups", pa.struct([("global", pa.string()), ("local", pa.string())])),
        ("entailed", pa.string()),
        ("equivalent", pa.string()),
        (
            "types",
            pa.struct(
                [
                    ("structural", pa.string()),
                    ("semantic", pa.string()),
                    ("detailed", pa.string()),
                ]
            ),
        ),
        (
            "annotations",
            pa.struct([(name, pa.list_(RECORD)) for name in ("answer", "fullAnswer", "question")]),
        ),
        (
            "semantic",
            pa.list_(
                pa.struct(
                    [
                        ("operation", pa.string()),
                        ("argument", pa.string()),
                        ("dependencies", pa.list_(pa.int32())),
                    ]
                )
            ),
        ),
        ("semanticStr", pa.string()),
        ("image", IMAGE_TYPE),
    ]
)


def gqa() -> pa.Table:
    """Build the GQA mini split: all structural and semantic types.

    Sides are the one kind of relation that pictures of digits have.

    Returns:
        Rows in the schema of `lmms-lab/GQA`, configuration testdev_balanced_instructions, with
        the column `image` of testdev_balanced_images joined to it.
    """
    rng = seeded("mini gqa 1")
    rows: list[Row] = []
    for shown in draw_pictures(rng, IMAGES, "n{:06d}"):
        asked = ask_some(rng, shown.scene, tuple(KINDS), QUESTIONS)
        rows += [_row(len(rows) + i, shown, *pair) for i, pair in enumerate(asked)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _row(number: int, shown: Picture, name: str, question: Question) -> Row:
    kind, answer = KINDS[name], question.answer.lower()
    question_id = f"20{number:07d}"
    program = _program(kind, answer)
    return {
        "id": question_id,
        "imageId": shown.name,
        "question": question.text,
        "answer": answer,
        "fullAnswer": f"The answer is {answer}.",
        "isBalanced": True,
        "groups": {"global": kind.group, "local": f"10q-digit_{kind.group or kind.detailed}"},
        "entailed": "[]",
        "equivalent": f"['{question_id}']",
        "types": {
            "structural": kind.structural,
            "semantic": kind.semantic,
            "detailed": kind.detailed,
        },
        "annotations": {"answer": [], "fullAnswer": [], "question": []},
        "semantic": program,
        "semanticStr": "->".join(
            f"{step['operation']}: {step['argument']} {step['dependencies']}" for step in program
        ).replace(" []", ""),
        "image": shown.cell,
    }


def _program(kind: Kind, answer: str) -> list[dict[str, Any]]:
    return [
        {"operation": "select", "argument": "digit", "dependencies": []},
        {
            "operation": kind.operation,
            "argument": kind.group or (answer if kind.structural == "compare" else "?"),
            "dependencies": [0],
        },
    ]
