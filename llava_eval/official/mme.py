"""MME as LLaVA's scripts have it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path

from llava_eval.errors import DataError, brief
from llava_eval.official.texts import SHORT_ANSWER
from llava_eval.paths import FOLDER, inside, kind_of
from llava_eval.prompts import without_yes_no
from llava_eval.rows import Row, file_image, read_jsonl, read_text

RELEASE = "MME_Benchmark_release_version"
IN_A_FOLDER = "questions_answers_YN"


def read_mme(folder: Path) -> list[Row]:
    """Read LLaVA's question file and MME's own text files of questions and answers.

    They are joined by category, image and question. LLaVA's file holds each question without
    "Please answer yes or no.", before which MME's files have one blank or two.

    Args:
        folder: Holds `llava_mme.jsonl` and, below `MME_Benchmark_release_version/<category>/`,
            images and text files side by side or in `images/` and `questions_answers_YN/`.

    Returns:
        Rows with question_id (path of the image), image, question (with MME's own
        instruction), answer ("Yes" or "No") and category, in file order.

    Raises:
        DataError: A file is missing or broken, or a question is not in MME's files.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `convert_answer_to_mme.py` of `eval.zip`.
    """
    release = folder / RELEASE
    labels = lru_cache(maxsize=None)(partial(_labels, release))  # one file holds two questions
    rows = []
    for row in read_jsonl(folder / "llava_mme.jsonl"):
        name, category = row.require("image", str), row.require("category", str)
        if Path(category).name != category:  # it is opened as a folder of the release
            raise DataError(f"{row.where}: category is {brief(category)}, must be a folder's name")
        asked = row.require("text", str).removesuffix(SHORT_ANSWER)
        question, answer = _label(asked, labels(category, name), row)
        content = {
            "question_id": row.require("question_id", str),
            "image": file_image(release, name),
            "question": question,
            "answer": answer,
            "category": category,
        }
        rows.append(Row(content, row.source, row.number))
    return rows


def _labels(release: Path, category: str, image: str) -> dict[str, tuple[str, str]]:
    """Read one image's text file: question without instruction to (question, answer)."""
    folder = category
    if kind_of(inside(release, f"{category}/{IN_A_FOLDER}"), DataError) == FOLDER:
        folder = f"{category}/{IN_A_FOLDER}"
    path = inside(release, f"{folder}/{Path(image).name.split('.')[0]}.txt")
    labels: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        question, tab, answer = line.strip().partition("\t")
        if not question:
            continue
        if not tab or answer not in ("Yes", "No"):
            raise DataError(
                f"{path}:{number}: {brief(line)} must be a question, a tab and Yes or No"
            )
        if labels.setdefault(without_yes_no(question), (question, answer))[1] != answer:
            raise DataError(f"{path}:{number}: {brief(question)} is answered both Yes and No")
    return labels


def _label(asked: str, labels: Mapping[str, tuple[str, str]], row: Row) -> tuple[str, str]:
    if asked not in labels:
        known = " and ".join(map(repr, labels)) or "nothing"
        raise DataError(
            f"{row.where}: {brief(asked)} is not asked in MME's files; there is {known}"
        )
    return labels[asked]
