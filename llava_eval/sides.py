"""The two sides of a comparison: run folders, the rows they answered, what keeps them apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_eval.digests import digest_of
from llava_eval.errors import RunError, UsageError
from llava_eval.grades import Grading, check_answers, read_grading
from llava_eval.identity import Difference, Identity, differences, identity_of_card, recorded
from llava_eval.judge_record import same_judge
from llava_eval.paths import FOLDER, kind_of
from llava_eval.records import DataSet, Json, Prediction, Score
from llava_eval.rows import read_jsonl
from llava_eval.samples import count_clusters, digest_of_samples, read_samples
from llava_eval.scoring import DIALECT, score_samples, usable_scores
from llava_eval.store import (
    PREDICTIONS,
    SCORES,
    find_runs,
    is_finished,
    read_predictions,
    read_result,
    read_run,
)
from llava_eval.task import Task


@dataclass(frozen=True)
class Side:
    """One run of one task, as it lies on disk.

    Attributes:
        folder: The run folder.
        run: Its `run.json`.
        result: Its `result.json`; empty where the run is not finished.
        predictions: By sample id.
        grading: A judge's replies, where the folder holds `grades.jsonl`.
    """

    folder: Path
    run: Json
    result: Json
    predictions: dict[str, Prediction]
    grading: Grading

    @property
    def data(self) -> str:
        """Digest of the rows that were asked."""
        return str(self.result.get("data") or self.run["identity"]["data"])

    @property
    def source(self) -> str:
        """Where the rows were read from, as `--data` takes it."""
        return str(self.run["environment"]["source"]).removeprefix("hub:")


def find_sides(path: Path) -> dict[str, Path]:
    """Return the run folders at and below a folder, by task.

    Raises:
        UsageError: There is none, or two of one task.
        RunError: A run folder is broken.
    """
    if kind_of(path, RunError) != FOLDER:
        raise UsageError(f"{path}: no such folder of runs")
    found: dict[str, Path] = {}
    for folder in find_runs([path]):
        task = str(read_run(folder)["identity"]["task"])
        if task in found:
            raise UsageError(f"{path}: two runs of {task}, {found[task]} and {folder}; name one")
        found[task] = folder
    if not found:
        raise UsageError(f"{path}: no run in it; give a run folder or a folder of them")
    return found


def read_side(folder: Path) -> Side:
    """Read one run.

    Raises:
        RunError: A file is missing or broken.
        PredictionsError: A line of the predictions or grades has another form.
    """
    result = read_result(folder) if is_finished(folder) else {}
    answers = folder / PREDICTIONS
    predictions = read_predictions(answers) if kind_of(answers, RunError) else {}
    return Side(folder, read_run(folder), result, predictions, read_grading(folder))


def rows_of(task: Task, side: Side, source: str | None, force: bool) -> DataSet:
    """Read the rows that a run was asked.

    Args:
        task: The card.
        side: The run.
        source: Where to read; by default where the run did.
        force: Take other rows than those of the run, if need be.

    Returns:
        The rows; of a draw, those that were drawn.

    Raises:
        RunError: They are not the rows of the run.
        DataError: They cannot be read.
    """
    return rows_among(read_samples(task, source or side.source), side, force)


def rows_among(data: DataSet, side: Side, force: bool) -> DataSet:
    """Return the rows that a run was asked, out of those of its source.

    Args:
        data: All rows of the source.
        side: The run.
        force: Take other rows than those of the run, if need be.

    Raises:
        RunError: They are not the rows of the run.
    """
    if data.digest == side.data:
        return data
    asked = _asked(side)
    samples = tuple(sample for sample in data.samples if sample.id in asked)
    if digest_of_samples(samples) == side.data:
        return dataclasses.replace(
            data,
            samples=samples,
            digest=side.data,
            drawn=True,
            full_n=len(data.samples),
            full_clusters=count_clusters(data.samples),
        )
    if force:
        return data
    raise RunError(
        f"{side.folder}: {data.source} does not hold the rows that it was made from (data "
        f"{side.data}, here {data.digest}); name them with --data, or see --force"
    )


def _asked(side: Side) -> set[str]:
    """Return the ids of the rows; of a run that was cut off, those that have an answer."""
    if kind_of(side.folder / SCORES, RunError):
        return {str(row.require("id", str)) for row in read_jsonl(side.folder / SCORES)}
    return set(side.predictions)


def score_side(task: Task, side: Side, data: DataSet) -> list[Score]:
    """Score a run anew, over the rows given; answers to other rows are left out.

    Args:
        task: Whose rule.
        side: The run.
        data: The rows.

    Raises:
        PredictionsError: There are grades for a benchmark that has no judge, or of other answers.
    """
    check_answers(side.grading, side.predictions)
    known = {sample.id for sample in data.samples}
    answers = {name: answer for name, answer in side.predictions.items() if name in known}
    replies = {name: texts for name, texts in side.grading.replies.items() if name in known}
    return score_samples(task, data, answers, replies)


def identity_of_side(task: Task, side: Side) -> Identity:
    """Return what a run was, and what scoring it anew makes of it.

    The prompt is the one that the run was sealed with; the scorer is today's, for both sides.
    """
    sealed, environment = side.run["identity"], side.run["environment"]
    graded = side.grading
    card = identity_of_card(task)
    asked = {name: sealed.get(name, getattr(card, name)) for name in ("prompt", "max_new_tokens")}
    return dataclasses.replace(
        card,
        **asked,
        protocol=digest_of(task.protocol_fields | asked),
        dialect=graded.dialect if graded.judge else str(side.result.get("dialect", DIALECT)),
        judge=graded.judge or str(side.result.get("judge", "")),
        data=side.data,
        version=str(environment.get("version", "")),
        n=int(side.result.get("n", len(side.predictions))),
        known=bool(side.result.get("known", True)),
        drawn=bool(side.result.get("drawn", False)),
    )


def what_keeps_apart(
    task: Task, sides: Sequence[Side], scores: Sequence[Sequence[Score]]
) -> list[Difference]:
    """Say why two runs cannot be compared: nothing, if they can.

    Args:
        task: The card.
        sides: Baseline and candidate.
        scores: Of both, over the same rows.

    Returns:
        What the candidate's identity differs by, and which answers one side lacks.
    """
    baseline, candidate = (identity_of_side(task, side) for side in sides)
    if _same_judge(sides):
        candidate = dataclasses.replace(candidate, judge=baseline.judge)
    usable = [{score.id for score in usable_scores(task, of)} for of in scores]
    return [*differences(candidate, baseline), *_unanswered(scores, usable)]


def _same_judge(sides: Sequence[Side]) -> bool:
    """Whether one judge graded both sides, though its version or the day may differ."""
    baseline, candidate = (side.grading.record for side in sides)
    return bool(baseline.name and candidate.name) and same_judge(baseline, candidate)


def _unanswered(scores: Sequence[Sequence[Score]], usable: Sequence[set[str]]) -> list[Difference]:
    """Name the side that lacks answers; both may lack the same ones."""
    if usable[0] == usable[1]:
        return []
    words = []
    for name, of in zip(("baseline", "candidate"), scores, strict=True):
        flaws = unanswered_words(of)
        words += [f"{name} incomplete: {flaws}"] if flaws else []
    return [Difference("complete", each) for each in words]


def unanswered_words(scores: Sequence[Score]) -> str:
    """Say how many rows have no answer to compare, as "3 of 9,000 missing"; empty if none."""
    counts = {"failed": "failed", "missing": "missing", "ungraded": "not graded"}
    statuses = [score.status for score in scores]
    found = [
        f"{statuses.count(status):,} of {len(scores):,} {words}"
        for status, words in counts.items()
        if status in statuses
    ]
    return ", ".join(found)


def same_answers(baseline: Side, candidate: Side) -> bool:
    """Whether both runs answered the same, word for word, and failed alike."""
    sides = [
        {name: (answer.text, answer.failed) for name, answer in side.predictions.items()}
        for side in (baseline, candidate)
    ]
    return sides[0] == sides[1] and baseline.grading == candidate.grading


def recorded_changes(sides: Sequence[Side]) -> dict[str, tuple[str, str]]:
    """Return what the two runs record beside their identity, where it differs."""
    baseline, candidate = (recorded(side.run) for side in sides)
    names = [*baseline, *(name for name in candidate if name not in baseline)]
    pairs = {name: (baseline.get(name, ""), candidate.get(name, "")) for name in names}
    if _same_judge(sides):
        pairs["judge"] = (sides[0].grading.judge, sides[1].grading.judge)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def scorer_notes(task: Task, sides: Sequence[Side]) -> list[str]:
    """Say where a run's own result came from another version of the scorer."""
    now = {name: task.protocol_fields[name] for name in ("scorer", "scorer_version")}
    notes = []
    for name, side in zip(("baseline", "candidate"), sides, strict=True):
        then = {key: side.result.get(key, value) for key, value in now.items()}
        if then != now:
            words = f"{then['scorer']} version {then['scorer_version']}"
            today = f"{now['scorer']} version {now['scorer_version']}"
            notes.append(f"{name}: its result.json is by {words}; scored anew by {today}")
    return notes
