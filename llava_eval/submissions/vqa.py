"""Uploads of VQAv2 and VizWiz: one JSON list, answers passed through the M4C processor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from llava_eval.answers.vqa import m4c_answer
from llava_eval.errors import PredictionsError, RunError, brief
from llava_eval.files import write_text
from llava_eval.official.vqav2 import TEST
from llava_eval.paths import FOLDER, kind_of
from llava_eval.records import DataSet, Prediction
from llava_eval.rows import read_jsonl
from llava_eval.samples import official_folder
from llava_eval.task import load_task

TEST_QUESTIONS = 447_793


def write_vqav2(data: DataSet, predictions: Mapping[str, Prediction], folder: Path) -> list[Path]:
    """Write `vqav2.json`: every question of test2015, "" where there is no answer.

    The server wants the whole list, test-dev's 107,394 questions being part of it.

    Raises:
        PredictionsError: The list is not at hand, or the data are of another split.

    Source: haotian-liu/LLaVA, `scripts/convert_vqav2_for_submission.py`.
    """
    ids = _test_ids(data)
    foreign = {sample.id for sample in data.samples}.difference(ids)
    if foreign:
        raise PredictionsError(
            f"{data.source}: question {min(foreign)} is not in {TEST}; "
            "the server takes answers to test-dev2015 and test2015 only"
        )
    answered = {
        key: m4c_answer(prediction.text)
        for key, prediction in predictions.items()
        if not prediction.failed
    }
    answers = [{"question_id": int(key), "answer": answered.get(key, "")} for key in ids]
    return [_write(folder / "vqav2.json", answers)]


def _test_ids(data: DataSet) -> list[str]:
    """List the questions of test2015: the data's own if they are all of it, or LLaVA's list."""
    if len(data.samples) == TEST_QUESTIONS:
        return [sample.id for sample in data.samples]
    source = Path(data.source)
    folder = source if kind_of(source, RunError) == FOLDER else source.parent
    found = official_folder(load_task("vqav2"), folder)
    if found is None or not kind_of(found / TEST, RunError):
        raise PredictionsError(
            f"{data.source}: the upload lists all {TEST_QUESTIONS:,} questions of test2015, and "
            f"{TEST} is not there; run on LLaVA's folder, or on a parquet of the Hub's split test"
        )
    return [str(row.require("question_id", int)) for row in read_jsonl(found / TEST)]


def write_vizwiz(data: DataSet, predictions: Mapping[str, Prediction], folder: Path) -> list[Path]:
    """Write `vizwiz.json`: one record an image, all of them answered.

    Raises:
        PredictionsError: A row has no answer; LLaVA's converter refuses too.

    Source: haotian-liu/LLaVA, `scripts/convert_vizwiz_for_submission.py`.
    """
    unanswered = [
        sample.id
        for sample in data.samples
        if sample.id not in predictions or predictions[sample.id].failed
    ]
    if unanswered:
        raise PredictionsError(
            f"{data.source}: {len(unanswered):,} of {len(data.samples):,} images, "
            f"{brief(unanswered[0])} first, have no answer; the server takes no part: "
            "continue the run"
        )
    answers = [
        {"image": f"{sample.id}.jpg", "answer": m4c_answer(predictions[sample.id].text)}
        for sample in data.samples
    ]
    return [_write(folder / "vizwiz.json", answers)]


def _write(path: Path, answers: Sequence[Mapping[str, object]]) -> Path:
    write_text(path, json.dumps(answers))
    return path
