"""The whole flow of a run, in one place.

load_task -> read_samples -> build_request -> Engine.generate -> predictions.jsonl
-> score -> summarize -> result.json
judged tasks then go through a judge: grades.jsonl -> score -> summarize -> result.json

With `--until` the middle of it goes round, over larger and larger draws.
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
from llava_eval.grades import read_grading, score_graded
from llava_eval.judges.grading import wants
from llava_eval.judges.judge import JudgeSettings
from llava_eval.judges.session import check_judge, open_session
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Json, Prediction, Result
from llava_eval.samples import default_source, draw, read_samples
from llava_eval.store import Effort, RunFolder
from llava_eval.task import Task, load_task, task_names
from llava_eval.until import check_scored_here, check_until, growing_draws, narrow_enough
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


@dataclass(frozen=True)
class Outcome:
    """One finished task of a run; `efforts` as `RunFolder` has it."""

    result: Result
    folder: Path
    efforts: Sequence[Effort]


class Watcher(Protocol):
    """Somebody who looks on: a progress bar, a test, or nobody."""

    def start(self, plan: Plan) -> None:
        """Take note of what is about to happen."""

    def advance(self, predictions: Sequence[Prediction]) -> None:
        """Take note of answers that are on disk now."""

    def finish(self, outcome: Outcome) -> None:
        """Take note of a result."""

    def judge(self, lines: Sequence[str], calls: int) -> None:
        """Take note of what judging will take, before the first call."""

    def judged(self) -> None:
        """Take note of a judge's reply that is on disk now."""

    def graded(self, result: Result, folder: Path) -> None:
        """Take note of a result that has its grades."""


class Nobody:
    """A watcher that does nothing."""

    def start(self, plan: Plan) -> None:
        """Ignore the plan."""

    def advance(self, predictions: Sequence[Prediction]) -> None:
        """Ignore the answers."""

    def finish(self, outcome: Outcome) -> None:
        """Ignore the result."""

    def judge(self, lines: Sequence[str], calls: int) -> None:
        """Ignore what judging will take."""

    def judged(self) -> None:
        """Ignore the reply."""

    def graded(self, result: Result, folder: Path) -> None:
        """Ignore the result."""


def evaluate(
    model: str | Path,
    tasks: Sequence[str] | str,
    data: str | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    retry_failed: bool = False,
    settings: EngineSettings | None = None,
    watcher: Watcher | None = None,
    tasks_dir: Path | None = None,
    until: float | None = None,
    judge: JudgeSettings | None = None,
) -> list[Result]:
    """Evaluate a model on tasks.

    Args:
        model: "demo", a local folder, or "owner/name" on the Hub.
        tasks: Names, or one text of names with commas between; "all" means every task.
        data: Where the rows come from, see `read_samples`; by default the demo's split for
            the demo and for every other model the Hub, or the file that the card names.
        limit: Draw at most so many samples, whole images at a time.
        out: Folder for the results, one folder per task in it; by default
            `results/runs/<model>`.
        retry_failed: Ask again what failed in an earlier run in the same folder.
        settings: More about the engine; its `model` is ignored.
        watcher: Told about plan, progress and results.
        tasks_dir: A folder of the user's own cards.
        until: Draw whole images at random until the 95 % interval of the primary metric is
            this narrow, in the metric's unit to the larger side; not with `limit`.
        judge: Who grades the answers of judged tasks, when all tasks are answered; without
            one they wait for `llava-eval judge`.

    Returns:
        One result per task, in the given order.

    Raises:
        LlavaEvalError: Anything that a user can put right. What was answered is on disk.
    """
    model = str(model)
    if not model:
        raise UsageError("--model: is empty; give demo, a folder, or owner/name")
    chosen = [load_task(name, tasks_dir) for name in _names(tasks, tasks_dir)]
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: must be at least 1")
    if until is not None:
        check_until(until, limit, chosen)
    read = [_read(task, data or default_source(task, model == DEMO), limit) for task in chosen]
    if until is not None:
        check_scored_here(chosen, read)
    if judge is not None:
        check_judge(judge, chosen)
    engine = load_engine(_with_model(settings, model))
    root, watcher = run_root(model, out), watcher or Nobody()
    results = [
        run_task(task, rows, engine, model, root / task.name, retry_failed, watcher, until)
        for task, rows in zip(chosen, read, strict=True)
    ]
    judged = [root / task.name for task in chosen if judge is not None and wants(task, judge)]
    if judge is None or not judged:
        return results
    with open_session(judged, judge, data, tasks_dir) as session:
        session.grade(watcher)
    graded = {result.task: result for result in session.results}
    return [graded.get(result.task, result) for result in results]


def run_task(
    task: Task,
    data: DataSet,
    engine: Engine,
    model: str,
    folder: Path,
    retry_failed: bool,
    watcher: Watcher,
    until: float | None = None,
) -> Result:
    """Answer what is not answered yet, score everything, write the result."""
    identity, environment = _describe(task, data, engine, until)
    with RunFolder.open(folder, identity, environment) as run:
        if retry_failed:
            run.drop_failed()
        watcher.start(Plan(model, task, data, folder, len(run.predictions), identity, environment))
        for part in [data] if until is None else growing_draws(data, run.predictions):
            _answer_missing(task, part, engine, run, watcher)
            grading = read_grading(folder)
            scores, result = score_graded(task, part, _answers_to(part, run), grading)
            if until is not None and narrow_enough(result.headline, until):
                break
        run.finish(scores, result)
    watcher.finish(Outcome(result, folder, run.efforts))
    return result


def _describe(task: Task, data: DataSet, engine: Engine, until: float | None) -> tuple[Json, Json]:
    """Say what a run is, and where and when it goes on.

    How far it goes is no part of what it is: a run that stopped at a precision can go on to a
    finer one, or to the end.
    """
    identity = {
        "task": task.name,
        "protocol": task.protocol,
        "prompt": dataclasses.asdict(task.prompt),
        "max_new_tokens": task.max_new_tokens,
        "data": data.digest,
        "source": data.source,
    }
    environment = (
        engine.environment()
        | {
            "llava_eval": __version__,
            "system": platform.platform(),
            "source": data.source,
            "version": data.version,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        | ({} if until is None else {"until": until})
    )
    return identity | engine.identity(), environment


def _answer_missing(
    task: Task, data: DataSet, engine: Engine, run: RunFolder, watcher: Watcher
) -> None:
    """Send what has no answer yet through the engine, and note what that took.

    Raises:
        RunError: Everything failed, or several batches in a row did: the engine is broken.
    """
    todo = [build_request(task, s) for s in data.samples if s.id not in run.predictions]
    started, failed_batches = time.perf_counter(), 0
    for predictions in engine.generate(todo):
        run.append(predictions)
        watcher.advance(predictions)
        failed_batches = failed_batches + 1 if all(p.failed for p in predictions) else 0
        if failed_batches == MAX_FAILED_BATCHES:
            raise _broken(run.path, f"{failed_batches} failed batches in a row", predictions[0])
    if todo:
        seconds = time.perf_counter() - started
        run.note_effort(Effort(len(todo), seconds, **engine.performance()))
    if all(prediction.failed for prediction in run.predictions.values()):
        last = next(reversed(run.predictions.values()))
        raise _broken(run.path, f"all {len(run.predictions):,} requests failed", last)


def _answers_to(data: DataSet, run: RunFolder) -> dict[str, Prediction]:
    """Return the answers to these rows; a run that was stopped later may hold more."""
    return {s.id: run.predictions[s.id] for s in data.samples if s.id in run.predictions}


def _names(tasks: Sequence[str] | str, tasks_dir: Path | None) -> list[str]:
    """Return each name once, in the given order."""
    given = tasks.split(",") if isinstance(tasks, str) else tasks
    names = dict.fromkeys(name.strip() for name in given if name.strip())
    if not names:
        raise UsageError("--tasks: names no task; give names with commas between, or all")
    return task_names(tasks_dir) if "all" in names else list(names)


def _read(task: Task, source: str, limit: int | None) -> DataSet:
    data = read_samples(task, source)
    return data if limit is None else draw(data, limit)


def _with_model(settings: EngineSettings | None, model: str) -> EngineSettings:
    return dataclasses.replace(settings or EngineSettings(model), model=model)


def _broken(folder: Path, what: str, last: Prediction) -> RunError:
    return RunError(
        f"{folder}: stopped after {what}, the last with {last.error!r}; put it right and run the "
        "same command with --retry-failed"
    )


def run_root(model: str, out: str | Path | None = None) -> Path:
    """Return the folder that holds a model's results, one folder per task in it.

    >>> run_root("llava-hf/llava-1.5-7b-hf").as_posix()
    'results/runs/llava-hf--llava-1.5-7b-hf'
    """
    if out is not None:
        return Path(out)
    if model == DEMO or (model.count("/") <= 1 and not Path(model).exists()):
        return Path("results/runs") / model.replace("/", "--")
    # Training leaves many folders called "checkpoint": the one above tells them apart.
    return Path("results/runs") / "--".join(Path(model).resolve().parts[-2:])
