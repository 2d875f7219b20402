"""Annotation files: one JSON document that holds a list of records."""

from __future__ import annotations

from pathlib import Path
from sys import intern
from typing import Any

from llava_eval.errors import DataError, brief
from llava_eval.json_text import parse_json
from llava_eval.rows import Row, read_text


def read_records(path: Path, key: str = "") -> list[Row]:
    """Read the list of records in a JSON file; of an annotator's answer its text alone.

    Args:
        path: The file.
        key: Under which the list stands; "" if the document is the list.

    Raises:
        DataError: The file cannot be read, or holds no such list of objects.
    """
    document = parse_json(read_text(path), str(path), object_hook=_slim)
    wanted = f"an object with a list {key!r}" if key else "a list"
    records: Any = document
    if key:
        records = document.get(key) if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise DataError(f"{path}: holds no records; must be {wanted}")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number}: {brief(record)} must be an object like {{...}}")
        records[number] = Row(record, str(path), number)  # in place: never held twice
    return records


def _slim(record: dict[str, Any]) -> Any:
    """Return the text of an annotator's answer: VQAv2 holds two million, most of them alike."""
    answer = record.get("answer")
    return intern(answer) if "answer_confidence" in record and isinstance(answer, str) else record
