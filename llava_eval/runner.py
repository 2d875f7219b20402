"""The whole flow of a run, in one place.

load_task -> read_samples -> build_request -> Engine.generate -> predictions.jsonl
-> score -> summarize -> result.json
judged tasks then go through a judge: grades.jsonl -> score -> summarize -> result.json

With `--until` the middle of it goes round, over larger and larger draws.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Protocol

from llava_eval.checkpoint import DEMO
from llava_eval.efforts import Effort, Progress
from llava_eval.engines import Engine, EngineSettings, load_engine
from llava_eval.errors import LlavaEvalError, UnfinishedError, UsageError
from llava_eval.failures import PLAINLY_BROKEN, FailureCount, FailureLimit, read_limit
from llava_eval.grades import read_grading, score_graded
from llava_eval.judges.grading import wants
from llava_eval.judges.judge import JudgeSettings
from llava_eval.judges.session import check_judge, open_session
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Json, Prediction, Result
from llava_eval.run_folder import RunFolder
from llava_eval.samples import default_source, draw, read_samples
from llava_eval.store import with_happenings
from llava_eval.task import Task, load_task, task_names
from llava_eval.until import check_scored_here, check_until, growing_draws, narrow_enough
from llava_eval.version import __version__


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

    def fail(self, name: str, error: LlavaEvalError) -> None:
        """Take note of a task that has no result, or of a run's judging; the others go on."""

    def judge(self, lines: Sequence[str], calls: int) -> None:
        """Take note of what judging will take, before the first call."""

    def judged(self) -> None:
        """Take note of a judge's reply that is on disk now."""

    def graded(self, result: Result, folder: Path) -> None:
        """Take note of a result that has its grades."""

    def judging(self, used: str) -> None:
        """Take note of what judging took, when it ends, however it ends."""


class Nobody:
    """A watcher that does nothing."""

    def start(self, plan: Plan) -> None:
        """Ignore the plan."""

    def advance(self, predictions: Sequence[Prediction]) -> None:
        """Ignore the answers."""

    def finish(self, outcome: Outcome) -> None:
        """Ignore the result."""

    def fail(self, name: str, error: LlavaEvalError) -> None:
        """Ignore the error: whoever called `evaluate` gets it in the end."""

    def judge(self, lines: Sequence[str], calls: int) -> None:
        """Ignore what judging will take."""

    def judged(self) -> None:
        """Ignore the reply."""

    def graded(self, result: Result, folder: Path) -> None:
        """Ignore the result."""

    def judging(self, used: str) -> None:
        """Ignore what judging took."""


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
    max_failures: int | str | None = None,
    judge: JudgeSettings | None = None,
) -> list[Result]:
    """Evaluate a model on tasks.

    What is wrong with the command, a card or the model ends it before anything is computed. What is
    wrong with one task, from its data to its run folder, does not take the others along: nobody is
    there at night to start them again, and whoever is there is told at once.

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
        max_failures: So many samples of a task may fail, or such a share ("2%"), before it is
            stopped, see `failures.read_limit`.
        judge: Who grades the answers of judged tasks, when all tasks are answered; without
            one they wait for `llava-eval judge`.

    Returns:
        One result per task, in the given order.

    Raises:
        UnfinishedError: Of several tasks some have no result, or the judge stopped; it holds
            the results there are.
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
    if judge is not None:
        check_judge(judge, chosen)
    failure_limit = read_limit(max_failures)
    root, watcher = run_root(model, out), watcher or Nobody()
    failures: dict[str, LlavaEvalError] = {}
    apart = partial(_apart, failures=failures, watcher=watcher, alone=len(chosen) == 1)
    read: dict[str, DataSet] = {}
    for task in chosen:
        with apart(task.name):
            read[task.name] = _read(task, _source(task, model, data), limit)
    ready = [task for task in chosen if task.name in read]
    if until is not None:
        check_scored_here(ready, list(read.values()))
    results: dict[str, Result] = {}
    if ready:
        engine = load_engine(_with_model(settings, model))
    for task in ready:
        with apart(task.name):
            rows, folder = read[task.name], root / task.name
            results[task.name] = run_task(
                task, rows, engine, model, folder, retry_failed, watcher, until, failure_limit
            )
    if judge is not None:
        judged = [root / task.name for task in ready if task.name in results and wants(task, judge)]
        with apart("judge", alone=False, usage=False):
            _judge(judged, judge, data, tasks_dir, watcher, results)
    if failures:
        raise UnfinishedError(list(results.values()), failures)
    return list(results.values())


@contextmanager
def _apart(
    name: str,
    failures: dict[str, LlavaEvalError],
    watcher: Watcher,
    alone: bool,
    usage: bool = True,
) -> Iterator[None]:
    """Keep what is wrong with one task, or the judge, from the others, if there are others.

    Args:
        usage: Whether a wrong command line ends all of it; not once there are answers.
    """
    try:
        yield
    except LlavaEvalError as error:
        if alone or (usage and isinstance(error, UsageError)):
            raise
        failures[name] = error
        watcher.fail(name, error)


def _judge(
    folders: Sequence[Path],
    settings: JudgeSettings,
    data: str | None,
    tasks_dir: Path | None,
    watcher: Watcher,
    results: dict[str, Result],
) -> None:
    """Let a judge grade runs that have their answers; what comes of it is put into `results`.

    Raises:
        LlavaEvalError: The judge cannot be asked, or something is left to do.
    """
    if not folders:
        return
    with open_session(folders, settings, data, tasks_dir) as session:
        try:
            session.grade(watcher)
        finally:
            results |= {result.task: result for result in session.results}
        session.check_finished()


def run_task(
    task: Task,
    data: DataSet,
    engine: Engine,
    model: str,
    folder: Path,
    retry_failed: bool,
    watcher: Watcher,
    until: float | None = None,
    failure_limit: FailureLimit = PLAINLY_BROKEN,
) -> Result:
    """Answer what is not answered yet, score everything, write the result."""
    identity, environment = _describe(task, data, engine, until)
    with RunFolder.open(folder, identity, environment) as run:
        if retry_failed:
            run.drop_failed()
        watcher.start(Plan(model, task, data, folder, len(run.predictions), identity, environment))
        for part in [data] if until is None else growing_draws(data, run.predictions):
            _answer_missing(task, part, engine, run, watcher, failure_limit)
            grading = read_grading(folder)
            scores, result = score_graded(task, part, _answers_to(part, run), grading)
            if until is not None and narrow_enough(result.headline, until):
                break
        result = with_happenings(result, run.run)
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
    task: Task,
    data: DataSet,
    engine: Engine,
    run: RunFolder,
    watcher: Watcher,
    failure_limit: FailureLimit,
) -> None:
    """Send what has no answer yet through the engine, and note what that took.

    Raises:
        RunError: So much failed that the run is broken.
    """
    todo = [build_request(task, s) for s in data.samples if s.id not in run.predictions]
    failures = FailureCount(failure_limit, len(data.samples), run.path)
    failures.add_earlier(_answers_to(data, run).values())
    progress = Progress()
    for predictions in engine.generate(todo):
        run.append(predictions)
        progress.add(len(predictions))
        watcher.advance(predictions)
        failures.add(predictions)
    if todo:
        took = Effort(len(todo), progress.seconds, progress=progress.points, **engine.performance())
        run.note_effort(took)
    failures.check_answered()


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


def _source(task: Task, model: str, data: str | None) -> str:
    return default_source(task, model == DEMO) if data is None else data


def _read(task: Task, source: str, limit: int | None) -> DataSet:
    data = read_samples(task, source)
    return data if limit is None else draw(data, limit)


def _with_model(settings: EngineSettings | None, model: str) -> EngineSettings:
    return dataclasses.replace(settings or EngineSettings(model), model=model)


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
    parts = Path(model).resolve().parts[1:]  # without the root, which would lead back to it
    return Path("results/runs") / ("--".join(parts[-2:]) or "root")
