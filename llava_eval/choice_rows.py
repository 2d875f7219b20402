"""Adapters of the multiple-choice benchmarks: ScienceQA, MMBench and SEED-Bench."""

from __future__ import annotations

import math
import string
from types import NoneType

from llava_eval.errors import DataError, brief
from llava_eval.rows import Row, is_whole_number

# A circle's rotations have the index of its first question plus a multiple of this.
ROTATION = 1_000_000

GRADES = {f"grade{n}": "grades 1-6" if n <= 6 else "grades 7-12" for n in range(1, 13)}

# By `question_type_id`. For a while `SEED-Bench.json` itself had the names of 3 and 4 the other
# way round (AILab-CVC/SEED-Bench, issue 28).
SEED_DIMENSIONS = {
    "1": "Scene Understanding",
    "2": "Instance Identity",
    "3": "Instance Attributes",
    "4": "Instance Location",
    "5": "Instances Counting",
    "6": "Spatial Relation",
    "7": "Instance Interaction",
    "8": "Visual Reasoning",
    "9": "Text Understanding",
    "10": "Action Recognition",
    "11": "Action Prediction",
    "12": "Procedure Understanding",
}


def scienceqa(row: Row) -> None:
    """Turn the answer's index into a letter and the texts into those of LLaVA's prompt.

    Adds "id" (the row's number; the official folder has the problem's id), "references",
    "modality" ("image" or "text") and "grades"; rewrites "question", "hint" and "choices".

    Raises:
        DataError: A field is of the wrong type, or the answer is none of the choices.

    Source: the generator of haotian-liu/LLaVA (`scripts/convert_sqa_to_llava_base_prompt.py`)
    replaces every two spaces of a prompt by one, once, and strips it;
    `llava/eval/model_vqa_science.py` takes "<image>" out and strips again.
    """
    choices = row.list_of("choices")
    hint = row.require("hint", str, NoneType) or ""
    if not all(isinstance(text, str) for text in (hint, *choices)):
        raise DataError(
            f"{row.where}: hint {brief(hint)} and choices {brief(choices)} must be texts"
        )
    row.setdefault("id", str(row.place))
    row["references"] = _scienceqa_answer(row, len(choices))
    row["modality"] = "text" if row.get("image") is None else "image"
    grade = row.require("grade", str, int, NoneType) if "grade" in row else None
    row["grades"] = GRADES.get(str(grade), "")
    row["hint"] = _line("Context: ", hint).strip()
    row["question"] = _line("", row.require("question", str))
    if not row["hint"]:
        row["question"] = row["question"].lstrip()
    row["choices"] = [_line("A. ", text) for text in choices]
    row["choices"][-1:] = [text.rstrip() for text in row["choices"][-1:]]


def _scienceqa_answer(row: Row, n_choices: int) -> list[str]:
    answer = row.require("answer", int, str, NoneType) if "answer" in row else None
    if isinstance(answer, str):  # a tsv holds no numbers
        if not is_whole_number(answer):
            raise DataError(
                f"{row.where}: answer is {brief(answer)}, must be the number of a choice"
            )
        answer = int(answer)
    if answer is None:
        return []
    known = min(n_choices, len(string.ascii_uppercase))
    if not 0 <= answer < known:
        wanted = f"must be 0 to {known - 1}" if known else "but there are no choices"
        raise DataError(f"{row.where}: answer is {brief(answer)}, {wanted}")
    return [string.ascii_uppercase[answer]]


def _line(start: str, text: str) -> str:
    """Collapse double spaces as they collapse behind the line's own start."""
    return (start + text).replace("  ", " ")[len(start) :].replace("<image>", "")


def mmbench(row: Row) -> None:
    """Cut the options at the first missing one and find the circle.

    Adds "choices", "references" (none in the test split), "circle", "leaf" and "l2"; a missing
    "hint" becomes empty.

    Raises:
        DataError: The index is no number, or an option, the hint or the answer no text.

    Source: haotian-liu/LLaVA, `llava/eval/model_vqa_mmbench.py`. Missing is what pandas reads as
    missing (an empty cell is), and the texts "nan" and "none" in any case: a real option "None"
    ends the list.
    """
    index = str(row.require("index", str, int))
    if not is_whole_number(index):
        raise DataError(f"{row.where}: index is {brief(index)}, must be a whole number")
    row["circle"] = str(int(index) % ROTATION)
    row["choices"] = _options(row)
    row["references"] = [text] if (text := _text_or_none(row, "answer")) is not None else []
    row.require("hint", str, float, NoneType)
    row["hint"] = _text_or_none(row, "hint") or ""
    row["leaf"] = _text_or_none(row, "category") or ""
    row["l2"] = _text_or_none(row, "l2-category") or _text_or_none(row, "L2-category") or ""


def _options(row: Row) -> list[str]:
    options: list[str] = []
    for letter in "AB":  # a row may have two options, a table without these columns none
        row.require(letter, str, int, float, NoneType)
    for letter in "ABCD":
        text = _text_or_none(row, letter)
        if text is None:
            break
        options.append(text)
    if not options and not any(_text_or_none(row, letter) for letter in "BCD"):
        raise DataError(f"{row.where}: no option in A to D; is a quote of a text never closed?")
    return options


def _text_or_none(row: Row, column: str) -> str | None:
    value = row.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, str):
        raise DataError(f"{row.where}: {column} is {brief(value)}, must be a text")
    return None if value.lower() in ("", "nan", "none") else value


def seedbench(row: Row) -> None:
    """Gather the four options and name the dimension.

    Adds "choices", "references" and "dimension".

    Raises:
        DataError: An option is missing, or the type of the question is unknown.
    """
    row["choices"] = [
        str(row.require(f"choice_{letter}", str, int, float)) for letter in ("a", "b", "c", "d")
    ]
    answer = row.require("answer", str, NoneType) if "answer" in row else None
    row["references"] = [] if answer is None else [answer]
    number = str(row.require("question_type_id", str, int))
    if number not in SEED_DIMENSIONS:
        raise DataError(f"{row.where}: question_type_id is {number[:20]}, must be 1 to 12")
    row["dimension"] = SEED_DIMENSIONS[number]
