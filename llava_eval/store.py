"""Results on disk: the files of a run folder, and how they are read.

A run folder holds

    run.json            what this run is, sealed before the first prediction; what it took
    predictions.jsonl   one line per answer, appended and synced as answers arrive
    scores.jsonl        one line per row of the data
    result.json         the numbers
    grades.jsonl        a judge's replies, and judge.json: whose they are; see `grades`

`run_folder` writes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llava_eval.errors import RunError, brief, first_line, why
from llava_eval.files import json_text, write_text
from llava_eval.paths import LOST, files_below, kind_of
from llava_eval.predictions import by_id, read_prediction
from llava_eval.records import Bounds, Estimate, Json, Prediction, Result, Score
from llava_eval.retries import read_bytes
from llava_eval.rows import read_jsonl
from llava_eval.stored_fields import check_fields

RUN, PREDICTIONS, SCORES, RESULT = "run.json", "predictions.jsonl", "scores.jsonl", "result.json"
GRADES = "grades.jsonl"
PREDICTION_FIELDS = [field.name for field in dataclasses.fields(Prediction)]


def prediction_line(prediction: Prediction) -> Json:
    """Return what one line of `predictions.jsonl` holds: no fields that say nothing."""
    values = {name: getattr(prediction, name) for name in PREDICTION_FIELDS}
    return {name: value for name, value in values.items() if name in ("id", "text") or value}


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
    lines = (json_text({"id": s.id, "value": s.value, "parsed": s.parsed}) for s in scores)
    write_text(path, "".join(lines))


def read_run(folder: Path) -> Json:
    """Read a `run.json`.

    Raises:
        RunError: It is missing, broken, or lacks a part.
    """
    run = read_json(folder / RUN)
    for part, keys in (("identity", ("task", "model", "data")), ("environment", ("source",))):
        if not isinstance(run.get(part), dict) or any(key not in run[part] for key in keys):
            raise RunError(f"{folder / RUN}: no {part} with {', '.join(keys)}; not a run of ours")
        check_fields(run[part], str(folder / RUN))
    efforts = run.get("efforts", [])
    if not (isinstance(efforts, list) and all(map(_is_effort, efforts))):
        raise RunError(f"{folder / RUN}: efforts is {brief(efforts)}, must be a list of objects")
    resumed = run.get("resumed", [])
    if not (isinstance(resumed, list) and all(isinstance(each, dict) for each in resumed)):
        raise RunError(f"{folder / RUN}: resumed is {brief(resumed)}, must be a list of objects")
    return run


def _is_effort(content: Any) -> bool:
    """Whether this is what answering took; `notes` is all of it that a result repeats."""
    notes = content.get("notes", []) if isinstance(content, dict) else None
    return isinstance(notes, list) and all(isinstance(note, str) for note in notes)


def read_result(folder: Path) -> Json:
    """Read a `result.json`, also one of another version: fields may be missing or unknown.

    Raises:
        RunError: It is missing or broken, or a field that is there is of another type.
    """
    result = read_json(folder / RESULT)
    check_fields(result, str(folder / RESULT))
    return result


def read_json(path: Path) -> Json:
    """Read a JSON file of ours.

    Raises:
        RunError: It is missing or broken.
    """
    try:
        content = json.loads(read_bytes(path).decode())
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {why(error)}") from error
    except (ValueError, RecursionError) as error:
        reason = first_line(error)
        raise RunError(f"{path}: cannot be read: {reason}; is the file complete?") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: must hold an object like {{...}}")
    return content


def with_happenings(result: Result, run: Json) -> Result:
    """Add to a result what its run met on the way, such as a shortage of memory.

    Args:
        result: Of the run.
        run: Content of its `run.json`.
    """
    told = [note for effort in run.get("efforts", []) for note in effort.get("notes", [])]
    words = "; ".join(dict.fromkeys(told))
    return dataclasses.replace(result, notes={**result.notes, "engine": words}) if told else result


def result_to_json(result: Result) -> Json:
    """Return what `result.json` and `score --json` hold; the names are a contract."""
    content = dataclasses.asdict(result)
    return {**content, "complete": result.complete}


def result_from_json(content: Mapping[str, Any], where: str) -> Result:
    """Read a result back.

    Raises:
        RunError: A field is missing, unknown or of another type.
    """
    check_fields(content, where)
    try:
        fields = {name: value for name, value in content.items() if name != "complete"}
        metrics = _estimates(fields.pop("metrics"))
        groups = {name: _estimates(group) for name, group in fields.pop("groups").items()}
        bounds = fields.pop("bounds", None)
        result = Result(
            **fields, metrics=metrics, groups=groups, bounds=bounds and Bounds(**bounds)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{where}: not a result of this version: {error}") from error
    if result.primary not in metrics:
        raise RunError(
            f"{where}: no metric {brief(result.primary)}, which is to be the primary one"
        )
    return result


def _estimates(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {name: Estimate(**values) for name, values in content.items()}


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Return the run folders at and below the given folders, sorted.

    A folder that is not there holds none. Links to other folders are not followed.

    Raises:
        RunError: A folder below cannot be looked into, or a file in it leads nowhere: whether
            there are more runs, or a result, is not known.
    """
    found = {run.parent for path in paths for run in files_below(path, RUN, RunError)}
    for file in (folder / name for folder in sorted(found) for name in (RUN, RESULT)):
        if kind_of(file, RunError) == LOST:
            raise RunError(f"{file}: is a link to a file that is not there; mend it, or remove it")
    return sorted(found)


def is_finished(folder: Path) -> bool:
    """Whether a run folder holds a result.

    Raises:
        RunError: It cannot be looked at.
    """
    return bool(kind_of(folder / RESULT, RunError))
