"""Results on disk: seal, append, resume, read back.

A run folder holds

    run.json            what this run is, sealed before the first prediction; what it took
    predictions.jsonl   one line per answer, appended and flushed as answers arrive
    scores.jsonl        one line per row of the data
    result.json         the numbers
    grades.jsonl        a judge's replies, and judge.json: whose they are; see `grades`
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from llava_eval.errors import RunError
from llava_eval.locks import lock_file
from llava_eval.predictions import by_id, read_prediction
from llava_eval.records import Estimate, Json, Prediction, Result, Score
from llava_eval.rows import read_jsonl

RUN, PREDICTIONS, SCORES, RESULT = "run.json", "predictions.jsonl", "scores.jsonl", "result.json"
GRADES = "grades.jsonl"
LOCK = "run.lock"
PREDICTION_FIELDS = [field.name for field in dataclasses.fields(Prediction)]
# Part of a number's identity, but no reason to refuse a folder: a model is known by its weights,
# however its path is spelt, and a newer scorer may score what was answered before.
FREE = ("model", "protocol")


@dataclass(frozen=True)
class Effort:
    """What it took to answer some requests.

    Attributes:
        answered: How many, failed ones included.
        seconds: By the clock.
        stages: Seconds of each stage of the engine, if it says.
        peak_memory_bytes: The most that the engine held, if it says.
        usage: Requests, retries, tokens and cost of a server, and who answered.
    """

    answered: int
    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: int = 0
    usage: Mapping[str, Any] = field(default_factory=dict)


class RunFolder:
    """One task of one model on disk.

    Attributes:
        path: The folder.
        predictions: What was already answered, by id; grows with `append`.
        efforts: What this process did; `run.json` has that of all.
    """

    def __init__(self, path: Path, predictions: dict[str, Prediction], lock: IO[str]) -> None:
        self.path = path
        self.predictions = predictions
        self.lock = lock
        self.efforts: list[Effort] = []

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
            lock = lock_folder(path)
            try:
                _seal(path, identity, environment)
                cut_torn_line(path / GRADES)
                return cls(path, _resume(path / PREDICTIONS), lock)
            except BaseException:
                lock.close()
                raise
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}; see --out") from error

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process have the folder."""
        self.lock.close()

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Add predictions; the system has them when this returns.

        Raises:
            RunError: The folder can no longer be written. What was written before stays.
        """
        lines = [_json(_prediction_line(p)) for p in predictions]
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
            lines = [_json(_prediction_line(p)) for p in kept.values()]
            write_text(self.path / PREDICTIONS, "".join(lines))
            self.predictions = kept

    def note_effort(self, effort: Effort) -> None:
        """Add to `run.json` what answering took this time."""
        self.efforts.append(effort)
        run = read_run(self.path)
        line = dataclasses.asdict(effort)
        write_json(self.path / RUN, {**run, "efforts": [*run.get("efforts", []), line]})

    def finish(self, scores: Sequence[Score], result: Result) -> None:
        """Write the scores and the result."""
        write_scores(self.path / SCORES, scores)
        write_json(self.path / RESULT, result_to_json(result))


def lock_folder(path: Path) -> IO[str]:
    """Keep a run folder to this process; the system lets go when the process ends, however.

    Returns:
        A file; closing it lets another process have the folder.

    Raises:
        RunError: Another process has it.
    """
    file = (path / LOCK).open("a+", encoding="utf-8")
    try:
        lock_file(file)
    except OSError as error:
        file.seek(0)
        owner = file.read().strip() or "another process"
        file.close()
        raise RunError(f"{path}: {owner} is writing there; wait for it, or give --out") from error
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    return file


def _seal(path: Path, identity: Json, environment: Json) -> None:
    """Write what a run is; refuse another run, and note where the same one goes on."""
    if not (path / RUN).exists():
        if (path / PREDICTIONS).exists():
            raise RunError(
                f"{path}: has {PREDICTIONS} but no {RUN}, so whose answers they are is not "
                "known; give another folder with --out"
            )
        write_json(path / RUN, {"identity": identity, "environment": environment})
        return
    run = read_run(path)
    sealed = run["identity"]
    for name in sorted(sealed.keys() | identity.keys()):
        if name in FREE:
            continue
        if sealed.get(name) != identity.get(name):
            raise RunError(
                f"{path}: holds another run: {name} is {sealed.get(name)!r} there and "
                f"{identity.get(name)!r} now; give another folder with --out, or remove this one"
            )
    write_json(path / RUN, {**run, "resumed": [*run.get("resumed", []), environment]})


def _resume(path: Path) -> dict[str, Prediction]:
    """Read the answers of an interrupted run; a torn last line is cut off, to be redone."""
    cut_torn_line(path)
    return read_predictions(path) if path.exists() else {}


def cut_torn_line(path: Path) -> None:
    """Cut off a last line without its end, as a process that was killed leaves it."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))


def _prediction_line(prediction: Prediction) -> Json:
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
    lines = (_json({"id": s.id, "value": s.value, "parsed": s.parsed}) for s in scores)
    write_text(path, "".join(lines))


def write_json(path: Path, content: Json) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, _json(content, indent=2))


def _json(content: Json, indent: int | None = None) -> str:
    """Write JSON to be read by people; half a surrogate pair, which UTF-8 lacks, as an escape."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        text = json.dumps(content, indent=indent)
    return text + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        RunError: It cannot be written.
    """
    part = path.parent / f"{path.name}.part"
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}") from error


def read_run(folder: Path) -> Json:
    """Read a `run.json`.

    Raises:
        RunError: It is missing, broken, or lacks a part.
    """
    run = read_json(folder / RUN)
    for part, keys in (("identity", ("task", "model", "data")), ("environment", ("source",))):
        if not isinstance(run.get(part), dict) or any(key not in run[part] for key in keys):
            raise RunError(f"{folder / RUN}: no {part} with {', '.join(keys)}; not a run of ours")
    return run


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
