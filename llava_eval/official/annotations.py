"""Annotation files: one JSON document that holds a list of records."""

from __future__ import annotations

import json
from pathlib import Path
from sys import intern
from typing import Any

from llava_eval.errors import DataError
from llava_eval.rows import Row, read_text


def read_records(path: Path, key: str = "") -> list[Row]:
    """Read the list of records in a JSON file; of an annotator's answer its text alone.

    Args:
        path: The file.
        key: Under which the list stands; "" if the document is the list.

    Raises:
        DataError: The file cannot be read, or holds no such list of objects.
    """
    try:
        document = json.loads(read_text(path), object_hook=_slim)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not valid JSON ({error.msg})") from error
    wanted = f"an object with a list {key!r}" if key else "a list"
    records: Any = document
    if key:
        records = document.get(key) if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise DataError(f"{path}: holds no records; must be {wanted}")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(f"{path}:{number}: {record!r} must be an object like {{...}}")
        records[number] = Row(record, str(path), number)  # in place: never held twice
    return records


def _slim(record: dict[str, Any]) -> Any:
    """Return the text of an annotator's answer: VQAv2 holds two million, most of them alike."""
    answer = record.get("answer")
    return intern(answer) if "answer_confidence" in record and isinstance(answer, str) else record
