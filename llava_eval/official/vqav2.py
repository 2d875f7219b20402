"""VQAv2 as LLaVA's scripts and the official evaluation have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llava_eval.errors import DataError
from llava_eval.official.annotations import read_records
from llava_eval.official.texts import SHORT_ANSWER
from llava_eval.paths import kind_of
from llava_eval.rows import Row, file_image, jsonl_rows

TEST_DEV = "llava_vqav2_mscoco_test-dev2015.jsonl"
TEST = "llava_vqav2_mscoco_test2015.jsonl"
VAL_QUESTIONS = "v2_OpenEnded_mscoco_val2014_questions.json"
VAL_ANNOTATIONS = "v2_mscoco_val2014_annotations.json"


def read_vqav2(folder: Path) -> Iterator[Row]:
    """Read the validation split where its files are there, else LLaVA's test-dev questions.

    Only the validation split has answers, and LLaVA's folder comes without it: whoever puts it
    there wants it scored.

    Args:
        folder: Holds the questions and annotations of val2014 as published, with images in
            `val2014/`, or `llava_vqav2_mscoco_test-dev2015.jsonl`, with images in `test2015/`.

    Returns:
        Rows with question_id, question, image_id, image, answers, question_type and
        answer_type, in file order; without answers and types for test-dev.

    Raises:
        DataError: A file is missing or broken, or questions and annotations do not belong
            together.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `scripts/v1_5/eval/vqav2.sh`;
    GT-Vision-Lab/VQA, `README.md`.
    """
    if not kind_of(folder / VAL_QUESTIONS, DataError):
        return read_vqav2_test_dev(folder)
    questions = read_records(folder / VAL_QUESTIONS, "questions")
    annotations = {
        row.require("question_id", int): row
        for row in read_records(folder / VAL_ANNOTATIONS, "annotations")
    }
    if len(questions) != len(annotations):
        raise DataError(
            f"{folder / VAL_ANNOTATIONS}: {len(annotations):,} annotated questions for "
            f"{len(questions):,} in {VAL_QUESTIONS}; both must be of one version (v2: 214,354)"
        )
    return (_val_row(folder / "val2014", row, annotations) for row in questions)


def read_vqav2_test_dev(folder: Path) -> Iterator[Row]:
    """Read LLaVA's test-dev questions, whatever else the folder holds; see `read_vqav2`."""
    return (_test_row(folder / "test2015", row) for row in jsonl_rows(folder / TEST_DEV))


def _val_row(images: Path, row: Row, annotations: dict[int, Row]) -> Row:
    question_id = row.require("question_id", int)
    if question_id not in annotations:
        raise DataError(f"{row.where}: question {question_id} has no record in {VAL_ANNOTATIONS}")
    annotation = annotations[question_id]
    image_id = row.require("image_id", int)
    content = {
        "question_id": question_id,
        "question": row.require("question", str),
        "image_id": image_id,
        "image": file_image(images, f"COCO_val2014_{image_id:012d}.jpg"),
        "answers": annotation.require("answers", list),
        "question_type": annotation.require("question_type", str),
        "answer_type": annotation.require("answer_type", str),
    }
    return Row(content, row.source, row.number)


def _test_row(images: Path, row: Row) -> Row:
    image = row.require("image", str)
    content = {
        "question_id": row.require("question_id", int),
        "question": row.require("text", str).removesuffix(SHORT_ANSWER),
        "image_id": Path(image).stem,
        "image": file_image(images, image),
        "answers": None,
    }
    return Row(content, row.source, row.number)
