"""SEED-Bench as LLaVA's scripts have it."""

from __future__ import annotations

from pathlib import Path

from llava_eval.errors import DataError, brief
from llava_eval.official.annotations import read_records
from llava_eval.records import ImageRef
from llava_eval.rows import Row, file_image, read_jsonl

ANNOTATIONS = "SEED-Bench.json"
QUESTIONS = "llava-seed-bench.jsonl"


def read_seedbench(folder: Path) -> list[Row]:
    """Read SEED-Bench's own annotations; of a video, its middle frame is the image.

    Args:
        folder: Holds `SEED-Bench.json`, `llava-seed-bench.jsonl`, `SEED-Bench-image/` and
            `SEED-Bench-video-image/`.

    Returns:
        Rows with the annotations' fields and image, in their order. LLaVA's evaluator counts
        over them too, so the file of July 2023 (19,242 questions) and the one of November 2023
        (17,990) both work with LLaVA's question file, which is of July.

    Raises:
        DataError: A file is missing or broken, or LLaVA's file lacks one of the questions.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md`, `scripts/convert_seed_for_submission.py` and
    `scripts/extract_video_frames.py` (the names of the frames).
    """
    rows = read_records(folder / ANNOTATIONS, "questions")
    for row in rows:
        row["image"] = _image(folder, row)
    _check_asked(folder / QUESTIONS, rows)
    return rows


def _image(folder: Path, row: Row) -> ImageRef:
    if row.require("data_type", str) == "image":
        return file_image(folder / "SEED-Bench-image", row.require("data_id", str))
    kind = row.require("question_type_id", int)
    name = f"{kind}_{row.require('question_id', str, int)}.png"
    return file_image(folder / "SEED-Bench-video-image", name)


def _check_asked(path: Path, rows: list[Row]) -> None:
    asked = {str(row.require("question_id", str, int)) for row in read_jsonl(path)}
    wanted = [str(row.require("question_id", str, int)) for row in rows]
    missing = [name for name in wanted if name not in asked]
    if missing:
        raise DataError(
            f"{path}: has no line for {len(missing):,} of {len(rows):,} questions of "
            f"{ANNOTATIONS}, {brief(missing[0])} first; take both of one version"
        )
