"""VizWiz as LLaVA's scripts and the benchmark's own annotation files have it."""

from __future__ import annotations

from pathlib import Path

from llava_eval.errors import DataError
from llava_eval.official.annotations import read_records
from llava_eval.official.texts import SHORT_ANSWER, UNANSWERABLE
from llava_eval.paths import kind_of
from llava_eval.rows import Row, file_image, read_jsonl

TEST = "llava_test.jsonl"
VAL = ("val.json", "Annotations/val.json")


def read_vizwiz(folder: Path) -> list[Row]:
    """Read the validation split where its file is there, else LLaVA's test questions.

    Only the validation split has answers, and LLaVA's folder comes without it: whoever puts it
    there wants it scored.

    Args:
        folder: Holds `val.json` or `Annotations/val.json` as published, with images in `val/`,
            or `llava_test.jsonl`, with images in `test/`.

    Returns:
        Rows with question_id (stem of the image), question, image, answers and category (the
        answer type), in file order; for test without answers and category, and with llava_id.

    Raises:
        DataError: A file is missing or broken.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `scripts/v1_5/eval/vizwiz.sh`; the
    annotation files of vizwiz.org.
    """
    for name in VAL:
        if kind_of(folder / name, DataError):
            return [_val_row(folder, row) for row in read_records(folder / name)]
    return read_vizwiz_test(folder)


def read_vizwiz_test(folder: Path) -> list[Row]:
    """Read LLaVA's test questions, whatever else the folder holds; see `read_vizwiz`."""
    return [_test_row(folder, row) for row in read_jsonl(folder / TEST)]


def _val_row(folder: Path, row: Row) -> Row:
    image = row.require("image", str)
    content = {
        "question_id": Path(image).stem,
        "question": row.require("question", str),
        "image": file_image(folder / "val", image),
        "answers": row.require("answers", list),
        "category": row.require("answer_type", str),
    }
    return Row(content, row.source, row.number)


def _test_row(folder: Path, row: Row) -> Row:
    image = row.require("image", str)
    text = row.require("text", str)
    content = {
        "question_id": Path(image).stem,
        "question": text.removesuffix(SHORT_ANSWER).removesuffix(UNANSWERABLE),
        "image": file_image(folder / "test", image),
        "answers": None,
        "llava_id": row.require("question_id", int),
    }
    return Row(content, row.source, row.number)
