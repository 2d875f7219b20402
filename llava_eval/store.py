"""Results on disk: seal, append, resume, read back.

A run folder holds

    run.json            what this run is; sealed before the first prediction
    predictions.jsonl   one line per answer, appended and flushed as answers arrive
    scores.jsonl        one line per row of the data
    result.json         the numbers
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llava_eval.errors import RunError
from llava_eval.predictions import by_id, read_prediction
from llava_eval.records import Estimate, Json, Prediction, Result, Score
from llava_eval.rows import read_jsonl

RUN, PREDICTIONS, SCORES, RESULT = "run.json", "predictions.jsonl", "scores.jsonl", "result.json"


class RunFolder:
    """One task of one model on disk.

    Attributes:
        path: The folder.
        predictions: What was already answered, by id; grows with `append`.
    """

    def __init__(self, path: Path, predictions: dict[str, Prediction]) -> None:
        self.path = path
        self.predictions = predictions

    @classmethod
    def open(cls, path: Path, identity: Json, environment: Json) -> RunFolder:
        """Start a run in an empty folder, or continue the same run.

        Args:
            path: Made if it does not exist.
            identity: All that decides whether two runs may share a folder.
            environment: What is worth knowing besides: versions, device, batch size.

        Raises:
            RunError: The folder holds a different run (the differing field is named), or
                cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (path / RUN).exists():
                _check_same_run(path, identity)
            else:
                write_json(path / RUN, {"identity": identity, "environment": environment})
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; see --out") from error
        return cls(path, _resume(path / PREDICTIONS))

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Add predictions; they are on disk when this returns.

        Raises:
            RunError: The folder can no longer be written. What was written before stays.
        """
        lines = [json.dumps(_prediction_line(p), ensure_ascii=False) + "\n" for p in predictions]
        try:
            with (self.path / PREDICTIONS).open("a", encoding="utf-8") as file:
                file.write("".join(lines))
        except OSError as error:
            raise RunError(
                f"{self.path / PREDICTIONS}: cannot be written: {error.strerror}; "
                "what was answered before is kept, the same command continues"
            ) from error
        self.predictions.update({p.id: p for p in predictions})

    def drop_failed(self) -> None:
        """Forget the failed predictions, so that they are asked for again."""
        kept = {i: p for i, p in self.predictions.items() if not p.failed}
        if len(kept) < len(self.predictions):
            lines = [json.dumps(_prediction_line(p), ensure_ascii=False) for p in kept.values()]
            _replace(self.path / PREDICTIONS, "".join(line + "\n" for line in lines))
            self.predictions = kept

    def finish(self, scores: Sequence[Score], result: Result) -> None:
        """Write the scores and the result."""
        try:
            write_scores(self.path / SCORES, scores)
            write_json(self.path / RESULT, result_to_json(result))
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}") from error


def _check_same_run(path: Path, identity: Json) -> None:
    sealed = read_json(path / RUN)["identity"]
    for name in sorted(sealed.keys() | identity.keys()):
        if sealed.get(name) != identity.get(name):
            raise RunError(
                f"{path}: holds another run: {name} is {sealed.get(name)!r} there and "
                f"{identity.get(name)!r} now; give another folder with --out, or remove this one"
            )


def _resume(path: Path) -> dict[str, Prediction]:
    """Read the answers of an interrupted run; a torn last line is cut off, to be redone."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return read_predictions(path)


def _prediction_line(prediction: Prediction) -> Json:
    return {
        name: value
        for name, value in dataclasses.asdict(prediction).items()
        if name in ("id", "text") or value
    }


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Read a `predictions.jsonl`, or any file of {"id", "prediction"} lines.

    Raises:
        PredictionsError: A line has another form, or an id is answered a second time.
        DataError: The file cannot be read, or a line is not a JSON object.
    """
    rows = read_jsonl(path)
    return by_id(rows, [read_prediction(row) for row in rows])


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write one {"id", "value", "parsed"} line per row of the data."""
    lines = (
        json.dumps({"id": s.id, "value": s.value, "parsed": s.parsed}, ensure_ascii=False) + "\n"
        for s in scores
    )
    _replace(path, "".join(lines))


def write_json(path: Path, content: Json) -> None:
    """Write a JSON file, whole or not at all."""
    _replace(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def read_json(path: Path) -> Json:
    """Read a JSON file of ours.

    Raises:
        RunError: It is missing or broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: must hold an object like {{...}}")
    return content


def result_to_json(result: Result) -> Json:
    """Return what `result.json` and `score --json` hold; the names are a contract."""
    content = dataclasses.asdict(result)
    return {**content, "complete": result.complete}


def result_from_json(content: Mapping[str, Any], where: str) -> Result:
    """Read a result back.

    Raises:
        RunError: A field is missing or unknown.
    """
    try:
        fields = {name: value for name, value in content.items() if name != "complete"}
        metrics = _estimates(fields.pop("metrics"))
        groups = {name: _estimates(group) for name, group in fields.pop("groups").items()}
        return Result(**fields, metrics=metrics, groups=groups)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{where}: not a result of this version: {error}") from error


def _estimates(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {name: Estimate(**values) for name, values in content.items()}


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Return the run folders at and below the given folders, sorted."""
    return sorted({run.parent for path in paths for run in path.glob(f"**/{RUN}")})
