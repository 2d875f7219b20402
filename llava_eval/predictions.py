"""Files of predictions and grades, and which sample each line belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llava_eval.errors import PredictionsError, brief
from llava_eval.json_text import json_or_none
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.rows import Row, read_jsonl, read_text
from llava_eval.task import Task

FINISHES = ("stop", "length", "error", "")
PROVENANCE = ("model", "system_fingerprint", "finish", "at", "answer", "error")  # of a reply
TOKENS = ("prompt_tokens", "new_tokens", "lost_prompt_tokens", "lost_new_tokens")  # of a reply
Grades = Mapping[str, tuple[str, ...]]


def load_predictions(path: Path, task: Task, data: DataSet) -> dict[str, Prediction]:
    """Read a file of predictions in any of four forms.

    One JSON object per line: our own `predictions.jsonl` (id, text, ...), {"id", "prediction"},
    or LLaVA's answer files (question_id, prompt, text). LLaVA's question ids are not unique in
    every benchmark; where they are not, the prompt decides. Or a .json file that is one object
    of id to answer, as MM-Vet's result files are.

    Args:
        path: The file.
        task: Whose prompts LLaVA's answers repeat.
        data: The samples that the predictions belong to.

    Returns:
        Predictions by sample id.

    Raises:
        PredictionsError: A line has none of these forms, belongs to no sample, or answers one
            for a second time.
        DataError: The file cannot be read, or a line is not a JSON object.
    """
    answers = _read_object(path) if path.suffix == ".json" else None
    if answers is not None:
        return answers
    rows = read_jsonl(path)
    index = _LlavaIndex(task, data) if any("question_id" in row for row in rows) else None
    found = [
        index.prediction(row) if index and "id" not in row else read_prediction(row) for row in rows
    ]
    return by_id(rows, found)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object that keeps a key given twice."""


def _read_object(path: Path) -> dict[str, Prediction] | None:
    """Read one object of id to answer; None if the file holds lines, as others do."""
    pairs = json_or_none(read_text(path), object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs) or {"id", "question_id"} & {name for name, _ in pairs}:
        return None
    answers: dict[str, Prediction] = {}
    for name, text in pairs:
        if not isinstance(text, str):
            raise PredictionsError(f"{path}: the answer to {brief(name)} is no text")
        if name in answers:
            raise PredictionsError(f"{path}: id {brief(name)} is answered a second time")
        answers[name] = Prediction(name, text)
    return answers


def read_prediction(row: Row) -> Prediction:
    """Read one line of our own form or of {"id", "prediction"}.

    Raises:
        PredictionsError: It has neither form.
        DataError: A field is of the wrong type.
    """
    if "id" in row and ("prediction" in row or "text" in row):
        numbers: dict[str, Any] = {
            n: row.count(n) for n in ("prompt_tokens", "new_tokens") if n in row
        }
        words = {n: row.require(n, str) for n in ("finish", "error") if n in row}
        if words.get("finish", "") not in FINISHES:
            raise PredictionsError(
                f"{row.where}: finish is {brief(words['finish'])}, must be stop, length or error"
            )
        text = row.require("prediction" if "prediction" in row else "text", str)
        return Prediction(str(row.require("id", str, int)), text, **words, **numbers)
    raise PredictionsError(
        f"{row.where}: has {', '.join(row) or 'no fields'}; must have id and text, "
        "id and prediction, or question_id and text"
    )


def by_id(rows: list[Row], found: list[Prediction]) -> dict[str, Prediction]:
    """Put predictions under their ids.

    Raises:
        PredictionsError: Two lines answer the same id.
    """
    predictions: dict[str, Prediction] = {}
    for row, prediction in zip(rows, found, strict=True):
        if prediction.id in predictions:
            raise PredictionsError(
                f"{row.where}: id {brief(prediction.id)} is answered a second time"
            )
        predictions[prediction.id] = prediction
    return predictions


class _LlavaIndex:
    """Finds the sample that a line of LLaVA's answers belongs to."""

    def __init__(self, task: Task, data: DataSet) -> None:
        self.task = task
        self.data = data
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self.given: set[str] = set()
        for sample in data.samples:
            self.samples[sample.llava_id or sample.id].append(sample)

    def prediction(self, row: Row) -> Prediction:
        question_id = str(row.require("question_id", str, int))
        text = row.require("text", str)
        samples = self.samples.get(question_id, [])
        if len(samples) > 1:
            prompt = row.require("prompt", str).removeprefix("<image>\n")
            # The question decides where the whole prompt does not: LLaVA's TextVQA script
            # goes by it too, and OCR tokens differ between releases of that data set.
            samples = [s for s in samples if build_request(self.task, s).text == prompt] or [
                s for s in samples if prompt.lower().startswith(f"{s.question.lower()}\n")
            ]
        if self.task.columns.id_repeats:  # same prompt too: answers come in the order of rows
            samples = [s for s in samples if s.id not in self.given][:1] or samples[:1]
        if len(samples) != 1:
            raise PredictionsError(
                f"{row.where}: question_id {brief(question_id)} belongs to "
                f"{len(samples) or 'none'} of the {len(self.data.samples):,} rows of "
                f"{self.data.source} (version: {self.data.version}); give the data that the "
                "answers were made from"
            )
        self.given.add(samples[0].id)
        return Prediction(samples[0].id, text)


def load_grades(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a file of a judge's replies, {"id", "replies": [text, ...]} a line.

    One line holds all replies about an answer; or a single one and its "place" among them, from
    0, as `grades` writes them when they arrive.

    Raises:
        PredictionsError: An id is graded for a second time, or a place is missing.
        DataError: The file cannot be read, or a line has another form.
    """
    return grades_of(read_jsonl(path))


def grades_of(rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """Put replies under the ids that they are about; see `load_grades`."""
    grades: dict[str, tuple[str, ...]] = {}
    for row in rows:
        sample_id = str(row.require("id", str, int))
        replies = row.require("replies", list)
        _check_provenance(row)
        if not all(isinstance(reply, str) for reply in replies):
            raise PredictionsError(f"{row.where}: replies must be a list of texts")
        held = grades.get(sample_id, ())
        if row.get("error") and not replies:
            continue  # a call that failed for good
        if "place" in row:
            _check_place(row, len(held), len(replies))
        elif sample_id in grades:
            raise PredictionsError(f"{row.where}: id {brief(sample_id)} is graded a second time")
        grades[sample_id] = (*held, *replies)
    return grades


def _check_provenance(row: Row) -> None:
    """Check what a line says besides: who replied, when, about what, and for how many tokens."""
    for name in PROVENANCE:
        if name in row:
            row.require(name, str)
    for name in TOKENS:
        if name in row:
            row.count(name)


def _check_place(row: Row, held: int, replies: int) -> None:
    if row.require("place", int) != held or replies != 1:
        raise PredictionsError(
            f"{row.where}: {replies} replies about {brief(row['id'])} at place {row['place']}, "
            f"must be one at place {held}; were lines lost or doubled?"
        )
