"""ScienceQA as LLaVA's scripts have it."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from llava_eval.errors import DataError, brief
from llava_eval.json_text import parse_json
from llava_eval.official.annotations import read_records
from llava_eval.paths import kind_of
from llava_eval.rows import Row, file_image, read_text

QUESTIONS = "llava_test_CQM-A.json"
PROBLEMS = "problems.json"


def read_scienceqa(folder: Path) -> list[Row]:
    """Read LLaVA's list of conversations, and subject and grade where `problems.json` is there.

    The text is taken from the conversations, the prompts that LLaVA-1.5 was asked. They do not
    say where a hint ends and its question begins, so "question" holds both and "hint" is empty;
    the options stand behind the last line that begins with "A. ".

    Args:
        folder: Holds `llava_test_CQM-A.json`, `pid_splits.json` and `images/test/`.

    Returns:
        Rows with id, question, choices, answer (an index), image, subject and grade, in the
        order of the list.

    Raises:
        DataError: A file is missing or broken, or a problem of the test split has no question.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md`, `llava/eval/model_vqa_science.py` and
    `llava/eval/eval_science_qa.py`.
    """
    rows = [_row(folder, item) for item in read_records(folder / QUESTIONS)]
    _check_split(folder / "pid_splits.json", rows)
    if kind_of(folder / PROBLEMS, DataError):
        problems = _read_object(folder / PROBLEMS)
        for row in rows:
            problem = problems.get(row["id"], {})
            if not isinstance(problem, dict):
                where = f"{folder / PROBLEMS}: {row['id']}"
                raise DataError(f"{where}: {brief(problem)} must be an object like {{...}}")
            row.update({name: problem.get(name, "") for name in ("subject", "grade")})
    return rows


def _read_object(path: Path) -> dict[str, Any]:
    content = parse_json(read_text(path), str(path))
    if not isinstance(content, dict):
        raise DataError(f"{path}: must be a JSON object, is {type(content).__name__}")
    return content


def _row(folder: Path, item: Row) -> Row:
    turns = item.require("conversations", list)
    texts = [turn.get("value") if isinstance(turn, dict) else None for turn in turns]
    asked, answer = texts if len(texts) == 2 else (None, None)
    if not isinstance(asked, str) or not isinstance(answer, str):
        raise DataError(f"{item.where}: conversations must be a question and its letter")
    question, choices = _split_options(asked.replace("<image>", "").strip())
    letters = string.ascii_uppercase[: len(choices)]
    if len(answer) != 1 or answer not in letters:
        raise DataError(
            f"{item.where}: the answer is {brief(answer)}, must be the letter of one of the "
            f"{len(choices)} options behind the question"
        )
    content = {
        "id": item.require("id", str),
        "question": question,
        "hint": "",  # its border with the question is lost in this file
        "choices": choices,
        "answer": letters.index(answer),
    }
    if "image" in item:
        content["image"] = file_image(folder / "images" / "test", item.require("image", str))
    return Row(content, item.source, item.number)


def _split_options(text: str) -> tuple[str, list[str]]:
    r"""Split a text into what stands before its options, and the options.

    An option can have several lines, so letters are looked for one after the other.

    >>> _split_options("Which?\nA. Love,\nZoe\nB. love,\nZoe")
    ('Which?', ['Love,\nZoe', 'love,\nZoe'])
    """
    question, found, rest = text.rpartition("\nA. ")
    if not found:
        return text, []
    choices = []
    for letter in string.ascii_uppercase[1:]:
        choice, found, rest = rest.partition(f"\n{letter}. ")
        choices.append(choice)
        if not found:
            break
    return question, choices


def _check_split(path: Path, rows: list[Row]) -> None:
    wanted = _read_object(path).get("test", [])
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise DataError(f"{path}: test is {brief(wanted)}, must be a list of problem ids")
    missing = sorted(set(wanted) - {row["id"] for row in rows})
    if missing:
        raise DataError(
            f"{path}: {len(missing):,} of {len(wanted):,} test problems, "
            f"{brief(missing[0])} first, have no question in {QUESTIONS}; take that file from "
            "LLaVA's eval.zip"
        )
