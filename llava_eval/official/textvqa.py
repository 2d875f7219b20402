"""TextVQA as LLaVA's scripts have it."""

from __future__ import annotations

from pathlib import Path

from llava_eval.errors import DataError, brief
from llava_eval.official.annotations import read_records
from llava_eval.official.texts import SHORT_ANSWER
from llava_eval.rows import Row, file_image, read_jsonl

QUESTIONS = "llava_textvqa_val_v051_ocr.jsonl"
ANNOTATIONS = "TextVQA_0.5.1_val.json"
OCR_LINE = "\nReference OCR token: "

Annotations = dict[tuple[str, str], Row]


def read_textvqa(folder: Path) -> list[Row]:
    """Read LLaVA's questions with their OCR tokens and the annotations of TextVQA 0.5.1.

    They are joined by image and question in lower case, as LLaVA's script does: what it calls
    question_id is the image.

    Args:
        folder: Holds `llava_textvqa_val_v051_ocr.jsonl`, `TextVQA_0.5.1_val.json` and
            `train_images/`.

    Returns:
        Rows with question_id, question, image_id, image, ocr_tokens and answers, in the order
        of LLaVA's file.

    Raises:
        DataError: A file is missing or broken, or questions and annotations do not belong
            together.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `llava/eval/eval_textvqa.py`.
    """
    questions = read_jsonl(folder / QUESTIONS)
    annotations = _annotations(folder / ANNOTATIONS)
    if len(questions) != len(annotations):
        raise DataError(
            f"{folder / ANNOTATIONS}: {len(annotations):,} annotated questions for "
            f"{len(questions):,} in {QUESTIONS}; both must be of TextVQA 0.5.1 val (5,000)"
        )
    return [_row(folder, row, annotations) for row in questions]


def _annotations(path: Path) -> Annotations:
    found: Annotations = {}
    for row in read_records(path, "data"):
        key = (row.require("image_id", str), row.require("question", str).lower())
        if key in found:
            raise DataError(f"{row.where}: {brief(key[1])} on image {key[0]} stands here twice")
        found[key] = row
    return found


def _row(folder: Path, row: Row, annotations: Annotations) -> Row:
    text = row.require("text", str).removesuffix(SHORT_ANSWER)
    question, line, tokens = text.partition(OCR_LINE)
    if not line:
        raise DataError(f"{row.where}: no line {OCR_LINE.strip()!r} in text; is it {QUESTIONS}?")
    image_id = row.require("question_id", str)
    annotation = annotations.get((image_id, question.lower()))
    if annotation is None:
        raise DataError(
            f"{row.where}: no annotation for {brief(question)} on image {image_id}; "
            f"{ANNOTATIONS} must be of version 0.5.1"
        )
    content = {
        "question_id": annotation.require("question_id", int),
        "question": annotation["question"],
        "image_id": image_id,
        "image": file_image(folder / "train_images", row.require("image", str)),
        "ocr_tokens": tokens.split(", ") if tokens else [],
        "answers": annotation.require("answers", list),
    }
    return Row(content, row.source, row.number)
