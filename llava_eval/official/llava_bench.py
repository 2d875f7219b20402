"""LLaVA-Bench (In-the-Wild) as LLaVA's scripts have it."""

from __future__ import annotations

from pathlib import Path

from llava_eval.errors import DataError, brief
from llava_eval.rows import Row, file_image, read_jsonl


def read_llava_bench(folder: Path) -> list[Row]:
    """Read LLaVA-Bench's questions, captions and GPT-4 answers.

    Answers are joined by question id, captions by image. LLaVA's review script joins questions
    and answers by line, which goes wrong without a word when a line is missing.

    Args:
        folder: Holds `questions.jsonl`, `context.jsonl`, `answers_gpt4.jsonl` and `images/`.

    Returns:
        Rows with question_id, question, image, category, caption (a text or a list),
        gpt_answer and image_id, in the order of the questions.

    Raises:
        DataError: A file is missing or broken, or the files do not belong together.

    Source: haotian-liu/LLaVA, `docs/LLaVA_Bench.md` and `llava/eval/eval_gpt_review_bench.py`.
    """
    questions = read_jsonl(folder / "questions.jsonl")
    captions = _by_key(read_jsonl(folder / "context.jsonl"), "image")
    answers = _by_key(read_jsonl(folder / "answers_gpt4.jsonl"), "question_id")
    asked = {str(row.require("question_id", int, str)) for row in questions}
    for question_id in answers.keys() - asked:
        raise DataError(
            f"{answers[question_id].where}: question_id {brief(question_id)} is none of the "
            f"{len(asked):,} questions; take both files from the same release"
        )
    return [_row(folder, question, captions, answers) for question in questions]


def _by_key(rows: list[Row], name: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        key = str(row.require(name, int, str))
        if key in found:
            raise DataError(f"{row.where}: {name} {brief(key)} stands at {found[key].where} too")
        found[key] = row
    return found


def _row(folder: Path, question: Row, captions: dict[str, Row], answers: dict[str, Row]) -> Row:
    text = question.require("text", str)
    image = question.require("image", str)
    answer = _matching(question, "question_id", answers, "answers_gpt4.jsonl")
    if answer.get("prompt", text) != text:
        raise DataError(
            f"{answer.where}: answers {brief(answer['prompt'])}, but the question is "
            f"{brief(text)}; take both files from the same release"
        )
    content = {
        "question_id": str(question["question_id"]),
        "question": text,
        "image": file_image(folder / "images", image),
        "category": question.require("category", str),
        "caption": _matching(question, "image", captions, "context.jsonl").require(
            "caption", str, list
        ),
        "gpt_answer": answer.require("text", str),
        "image_id": Path(image).stem,
    }
    return Row(content, question.source, question.number)


def _matching(question: Row, name: str, rows: dict[str, Row], file: str) -> Row:
    key = str(question[name])
    if key not in rows:
        raise DataError(f"{question.where}: {name} {brief(key)} is not in {file}; is it complete?")
    return rows[key]
