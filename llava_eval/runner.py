"""The whole flow of a run, in one place.

load_task -> read_samples -> build_request -> Engine.generate -> predictions.jsonl
-> score -> summarize -> result.json
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from llava_eval.checkpoint import DEMO
from llava_eval.engines import Engine, EngineSettings, load_engine
from llava_eval.errors import RunError, UsageError
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Json, Prediction, Result
from llava_eval.samples import default_source, draw, read_samples
from llava_eval.scoring import score_predictions
from llava_eval.store import RunFolder
from llava_eval.task import Task, load_task, task_names
from llava_eval.version import __version__

# An engine that fails this many batches in a row is broken, not unlucky.
MAX_FAILED_BATCHES = 3


@dataclass(frozen=True)
class Plan:
    """What a run is about to do."""

    model: str
    task: Task
    data: DataSet
    folder: Path
    answered: int
    identity: Json
    environment: Json

    @property
    def todo(self) -> int:
        """Number of requests still to be answered."""
        return len(self.data.samples) - self.answered


@dataclass(frozen=True)
class Outcome:
    """One finished task of a run."""

    result: Result
    folder: Path
    seconds: float
    answered: int


class Watcher(Protocol):
    """Somebody who looks on: a progress bar, a test, or nobody."""

    def start(self, plan: Plan) -> None:
        """Take note of what is about to happen."""

    def advance(self, predictions: Sequence[Prediction]) -> None:
        """Take note of answers that are on disk now."""

    def finish(self, outcome: Outcome) -> None:
        """Take note of a result."""


class Nobody:
    """A watcher that does nothing."""

    def start(self, plan: Plan) -> None:
        """Ignore the plan."""

    def advance(self, predictions: Sequence[Prediction]) -> None:
        """Ignore the answers."""

    def finish(self, outcome: Outcome) -> None:
        """Ignore the result."""


def evaluate(
    model: str,
    tasks: Sequence[str],
    data: str | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    retry_failed: bool = False,
    settings: EngineSettings | None = None,
    watcher: Watcher | None = None,
    tasks_dir: Path | None = None,
) -> list[Result]:
    """Evaluate a model on tasks.

    Args:
        model: "demo", a local folder, or "owner/name" on the Hub.
        tasks: Names; ["all"] means every task.
        data: Where the rows come from, see `read_samples`; by default the demo's split for
            the demo and for every other model the Hub, or the file that the card names.
        limit: Draw at most so many samples, whole images at a time.
        out: Folder for the results, one folder per task in it; by default
            `results/runs/<model>`.
        retry_failed: Ask again what failed in an earlier run in the same folder.
        settings: More about the engine; its `model` is ignored.
        watcher: Told about plan, progress and results.
        tasks_dir: A folder of the user's own cards.

    Returns:
        One result per task, in the given order.

    Raises:
        LlavaEvalError: Anything that a user can put right. What was answered is on disk.
    """
    names = task_names(tasks_dir) if list(tasks) == ["all"] else tasks
    chosen = [load_task(name, tasks_dir) for name in names]
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: must be at least 1")
    read = [_read(task, data or default_source(task, model == DEMO), limit) for task in chosen]
    engine = load_engine(_with_model(settings, model))
    root = run_root(model, out)
    return [
        run_task(task, rows, engine, model, root / task.name, retry_failed, watcher or Nobody())
        for task, rows in zip(chosen, read, strict=True)
    ]


def run_task(
    task: Task,
    data: DataSet,
    engine: Engine,
    model: str,
    folder: Path,
    retry_failed: bool,
    watcher: Watcher,
) -> Result:
    """Answer what is not answered yet, score everything, write the result."""
    identity = {"task": task.name, "protocol": task.protocol, "data": data.digest}
    identity |= engine.identity()
    environment = engine.environment() | {
        "llava_eval": __version__,
        "system": platform.platform(),
        "source": data.source,
        "version": data.version,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    run = RunFolder.open(folder, identity, environment)
    if retry_failed:
        run.drop_failed()
    watcher.start(Plan(model, task, data, folder, len(run.predictions), identity, environment))

    started = time.perf_counter()
    todo = [build_request(task, s) for s in data.samples if s.id not in run.predictions]
    failed_batches = 0
    for predictions in engine.generate(todo):
        run.append(predictions)
        watcher.advance(predictions)
        failed_batches = failed_batches + 1 if all(p.failed for p in predictions) else 0
        if failed_batches == MAX_FAILED_BATCHES:
            raise _broken(folder, predictions[0])
    seconds = time.perf_counter() - started

    scores, result = score_predictions(task, data, run.predictions)
    run.finish(scores, result)
    watcher.finish(Outcome(result, folder, seconds, len(todo)))
    return result


def _read(task: Task, source: str, limit: int | None) -> DataSet:
    data = read_samples(task, source)
    return data if limit is None else draw(data, limit)


def _with_model(settings: EngineSettings | None, model: str) -> EngineSettings:
    return dataclasses.replace(settings or EngineSettings(model), model=model)


def _broken(folder: Path, last: Prediction) -> RunError:
    return RunError(
        f"{folder}: stopped after {MAX_FAILED_BATCHES} failed batches in a row, the last with "
        f"{last.error!r}; put it right and run the same command with --retry-failed"
    )


def run_root(model: str, out: str | Path | None = None) -> Path:
    """Return the folder that holds a model's results, one folder per task in it.

    >>> run_root("llava-hf/llava-1.5-7b-hf").as_posix()
    'results/runs/llava-hf--llava-1.5-7b-hf'
    """
    if out is not None:
        return Path(out)
    on_hub = model.count("/") == 1 and not Path(model).exists()
    name = model.replace("/", "--") if on_hub else Path(model).resolve().name
    return Path("results/runs") / name
