"""GQA as LLaVA's scripts have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llava_eval.errors import DataError, brief
from llava_eval.json_text import parse_json
from llava_eval.official.texts import SHORT_ANSWER
from llava_eval.rows import Row, file_image, read_jsonl, read_text

# Of a record of GQA's own file: the columns of the Hub's schema that are used.
COPIED = ("imageId", "answer", "isBalanced", "groups", "types")


def read_gqa(folder: Path) -> list[Row]:
    """Read LLaVA's question file and GQA's own records of the same questions.

    Args:
        folder: Holds `llava_gqa_testdev_balanced.jsonl`,
            `data/testdev_balanced_questions.json` (records by question id) and `data/images/`.

    Returns:
        Rows with id, question, image, imageId, answer, isBalanced, groups and types, in the
        order of the question file.

    Raises:
        DataError: A file is missing or broken, or the two do not hold the same questions.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `scripts/v1_5/eval/gqa.sh`.
    """
    questions = read_jsonl(folder / "llava_gqa_testdev_balanced.jsonl")
    path = folder / "data" / "testdev_balanced_questions.json"
    records = _read_records(path)
    if len(records) != len(questions):
        raise DataError(
            f"{path}: {len(records):,} records for {len(questions):,} questions; "
            "both files must be those of the balanced test-dev split"
        )
    return [_gqa_row(folder, row, records, path) for row in questions]


def _read_records(path: Path) -> dict[str, Any]:
    records = parse_json(read_text(path), str(path))
    if not isinstance(records, dict):
        raise DataError(f"{path}: holds a {type(records).__name__}, must be records by id")
    return records


def _gqa_row(folder: Path, row: Row, records: dict[str, Any], path: Path) -> Row:
    question_id = str(row.require("question_id", str, int))
    record = records.get(question_id)
    if not isinstance(record, dict):
        raise DataError(f"{row.where}: question {brief(question_id)} has no record in {path}")
    content = {
        "id": question_id,
        "question": row.require("text", str).removesuffix(SHORT_ANSWER),
        "image": file_image(folder / "data" / "images", row.require("image", str)),
    }
    content |= {name: record[name] for name in COPIED if name in record}
    return Row(content, row.source, row.number)
