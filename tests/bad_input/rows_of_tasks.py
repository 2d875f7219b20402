"""Rows of every accepted schema, with a column missing or of another type."""

from __future__ import annotations

from typing import Any

from tests.bad_input.case import Case, changed, lines, score, without, write

# Columns of the Hub's schema without which rows cannot be scored.
NEEDED = {
    "vqav2": ("question_id", "question", "answers", "image_id"),
    "gqa": ("id", "question", "answer", "imageId", "types", "groups"),
    "vizwiz": ("question_id", "question", "answers"),
    "scienceqa": ("question", "choices", "hint"),
    "textvqa": ("question_id", "question", "answers", "image_id", "ocr_tokens"),
    "pope": ("id", "question", "answer", "image_source", "category"),
    "mme": ("question_id", "question", "answer", "category"),
    "mmbench": ("index", "question", "hint", "A", "B"),
    "mmbench_cn": ("index", "question", "hint", "A", "B"),
    "seedbench": ("question_id", "question", "choice_a", "choice_d", "question_type_id", "data_id"),
    "llava_bench": ("question_id", "question", "category", "caption", "gpt_answer", "image_id"),
    "mmvet": ("question_id", "question", "answer", "capability"),
}


def _missing(task: str, name: str) -> Case:
    return Case(
        f"{task} rows without {name}",
        score(task),
        write("rows.jsonl", lines(without(task, name))),
        "rows.jsonl:1",
        f"no {name!r} here; there is ",
    )


def _mistyped(task: str, name: str) -> Case:
    return Case(
        f"{task} row whose {name} is no such thing",
        score(task),
        write("rows.jsonl", lines(changed(task, **{name: True}))),
        "rows.jsonl:3",
        f"{name} is True, must be ",
    )


def _wrong(task: str, what: str, advice: str = "", **values: Any) -> Case:
    spoil = write("rows.jsonl", lines(changed(task, **values)))
    told = ", ".join(f"{name} {str(value)[:30]!r}" for name, value in values.items())
    return Case(f"{task} row with {told}", score(task), spoil, "rows.jsonl:3", what, advice)


CASES = [
    *(_missing(task, name) for task, names in NEEDED.items() for name in names),
    *(_mistyped(task, name) for task, names in NEEDED.items() for name in names),
    _wrong("vqav2", "answers holds None", answers=[None] * 10),
    _wrong("vqav2", "answers holds {'answer': 3}", answers=[{"answer": 3}]),
    _wrong("vqav2", "must be list", answers="yes, no"),
    _wrong("vqav2", "must be list", answers='{"answer": "yes"}'),
    _wrong("vqav2", "name of an answer type", question_type="yes/no"),
    _wrong("textvqa", "9 answers, must be 10", answers=["775"] * 9),
    _wrong("textvqa", "must be text", ocr_tokens=["a", None]),
    _wrong("gqa", "not a balanced question", "testdev_balanced", isBalanced=False),
    _wrong("gqa", "structural is 'guess', must be one of", types={"structural": "guess"}),
    _wrong("gqa", "types is '{', must be a struct or its JSON", types="{"),
    _wrong("gqa", "types is '[1]', must be a struct or its JSON", types="[1]"),
    _wrong("gqa", "detailed", types={"structural": "verify", "semantic": "obj", "detailed": [1]}),
    _wrong("gqa", "the answer is [''], must be one text", answer=""),
    _wrong("scienceqa", "answer is 4, must be 0 to 3", answer=4),
    _wrong("scienceqa", "answer is -1, must be 0 to 3", answer=-1),
    _wrong("scienceqa", "answer is 'B', must be the number of a choice", answer="B"),
    _wrong("scienceqa", "must be the number of a choice", answer="9" * 5000),
    _wrong("scienceqa", "answer is 0, but there are no choices", answer=0, choices=[]),
    _wrong("scienceqa", "the reference is ", choices=list("abcdefgh"), answer=7),
    _wrong("scienceqa", "answer is 30, must be 0 to 25", choices=["x"] * 40, answer=30),
    _wrong("scienceqa", "must be texts", choices=["a", 1]),
    _wrong("scienceqa", "grade is ['grade1']", grade=["grade1"]),
    _wrong("pope", "the reference is 'Yes', must be 'yes' or 'no'", answer="Yes"),
    _wrong("pope", "no category; must be adversarial, popular or random", category=""),
    _wrong("mme", "the reference is 'maybe', must be 'Yes' or 'No'", answer="maybe"),
    _wrong("mme", "category is 'taste', must be one of existence", category="taste"),
    _wrong("mmbench", "index is '12a', must be a whole number", index="12a"),
    _wrong("mmbench", "index is '-1', must be a whole number", index=-1),
    _wrong("mmbench", "must be a whole number", index="1" * 5000),
    _wrong("mmbench", "C is 3, must be a text", C=3),
    _wrong("mmbench", "the reference is 'E'", answer="E"),
    _wrong("seedbench", "question_type_id is 13, must be 1 to 12", question_type_id=13),
    _wrong("seedbench", "the reference is 'E', must be 'A' or", answer="E"),
    _wrong("seedbench", "data_type is 'sound', must be image or video", data_type="sound"),
    _wrong("seedbench", "answer", answer=["A"]),
    _wrong("llava_bench", "the category is 'joke', must be complex or", category="joke"),
    _wrong("llava_bench", "caption is [1], must be a text or texts", caption=[1]),
    _wrong("llava_bench", "reference", gpt_answer=""),
    _wrong("mmvet", "question_id is 'v2_7', must be like v1_0", question_id="v2_7"),
    _wrong("mmvet", "must be like v1_0", question_id="v1_" + "1" * 5000),
    _wrong("mmvet", "dancing", capability="rec,dancing"),
    _wrong("mmvet", "reference", answer=""),
]
