"""Adapters: columns that a benchmark's schema lacks, made from those that it has.

`ADAPTERS` is the whole registry; a card names its adapter. An adapter changes its row in place
and works on rows of every source, since official readers deliver the Hub's schema.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any

from llava_eval.choice_rows import mmbench, scienceqa, seedbench
from llava_eval.errors import DataError, brief
from llava_eval.json_text import json_or_none
from llava_eval.rows import Row, is_whole_number


def as_is(row: Row) -> None:
    """Leave the row as it is."""


def annotators(row: Row) -> None:
    """Add "references", one per annotator; none where the split withholds its answers.

    Raises:
        DataError: "answers" is no list of texts, or of records with a text "answer".
    """
    known = row.require("answers", list, str, NoneType) is not None
    answers = row.list_of("answers") if known else []
    row["references"] = [_annotator(row, answer) for answer in answers]


def _annotator(row: Row, answer: Any) -> str:
    text = answer.get("answer") if isinstance(answer, dict) else answer
    if not isinstance(text, str):
        raise DataError(
            f"{row.where}: answers holds {brief(answer)}, must be a text or "
            "{'answer': a text, ...}"
        )
    return text


def textvqa(row: Row) -> None:
    """Add "references", and take the OCR tokens out of JSON text where they stand in a tsv."""
    annotators(row)
    row["ocr_tokens"] = row.list_of("ocr_tokens")


def vizwiz(row: Row) -> None:
    """Add "references", and "llava_id" where LLaVA's own file has not numbered the row."""
    annotators(row)
    row.setdefault("llava_id", row.require("question_id", str))


def gqa(row: Row) -> None:
    """Add the three types of a question and its global group as columns of their own.

    A null answer or null types are those of a split that withholds them.

    Raises:
        DataError: A struct is neither that nor JSON text of one (a tsv holds no structs), or
            the question is not of the balanced split, which alone is scored.
    """
    if row.get("isBalanced") is False:
        raise DataError(f"{row.where}: not a balanced question; give the rows of testdev_balanced")
    if row.require("answer", str, NoneType) is None:
        row["answer"] = []
    types, groups = _struct(row, "types"), _struct(row, "groups")
    for kind in ("structural", "semantic", "detailed"):
        row[f"{kind}_type"] = types.get(kind)
    row["global_group"] = groups.get("global")


def _struct(row: Row, name: str) -> dict[str, Any]:
    value = row.require(name, dict, str, NoneType) or {}
    struct = json_or_none(value) if isinstance(value, str) else value
    if not isinstance(struct, dict):
        raise DataError(f"{row.where}: {name} is {brief(value)}, must be a struct or its JSON")
    return struct


def llava_bench(row: Row) -> None:
    """Join a caption of several sentences by newlines, as the judge reads it."""
    caption = row.require("caption", str, list)
    if isinstance(caption, list):
        if not all(isinstance(line, str) for line in caption):
            raise DataError(f"{row.where}: caption is {brief(caption)}, must be a text or texts")
        row["caption"] = "\n".join(caption)


# Of MM-Vet's 218 questions these are asked about the image of the question before them; the
# Hub's rows do not say so. Source: haotian-liu/LLaVA, mm-vet/llava-mm-vet.jsonl.
MMVET_SAME_IMAGE = frozenset({2, 4, 6, 10, 12, 14, 19, 22, 24, 26, 29, 43, 45, 47, 51, 59, 61, 63})


def mmvet(row: Row) -> None:
    """Add "integration" (capabilities, sorted), "llava_id" and, where it lacks, "image_id".

    Raises:
        DataError: The question id is not v1_0, v1_1, ...
    """
    number = str(row.require("question_id", str, int)).removeprefix("v1_")
    if not is_whole_number(number):
        given = brief(row["question_id"])
        raise DataError(f"{row.where}: question_id is {given}, must be like v1_0")
    row["question_id"], row["llava_id"] = f"v1_{number}", number
    names = {name.strip() for name in row.require("capability", str).split(",")}
    row["integration"] = ", ".join(sorted(names))
    row.setdefault("image_id", f"v1_{int(number) - (int(number) in MMVET_SAME_IMAGE)}")


ADAPTERS: dict[str, Callable[[Row], None]] = {
    "mmbench": mmbench,
    "scienceqa": scienceqa,
    "seedbench": seedbench,
    "llava_bench": llava_bench,
    "mmvet": mmvet,
    "gqa": gqa,
    "as_is": as_is,
    "annotators": annotators,
    "textvqa": textvqa,
    "vizwiz": vizwiz,
}
