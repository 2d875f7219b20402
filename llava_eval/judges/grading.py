"""A judge grades run folders: what is missing is asked, and every reply stored as it comes.

prepare -> check_graded -> plan -> grade -> score_graded -> result.json
"""

from __future__ import annotations

import platform
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from llava_eval.digests import digest_of
from llava_eval.errors import LlavaEvalError, RunError
from llava_eval.files import write_json
from llava_eval.grades import (
    GradesFile,
    check_answers,
    check_seal,
    note_effort,
    read_grading,
    score_graded,
)
from llava_eval.judges.budget import Budget, with_tokens
from llava_eval.judges.judge import Judge, JudgeSettings
from llava_eval.judges.layouts import LAYOUTS, Layout
from llava_eval.judges.plan import Plan, plan_of, summed
from llava_eval.judges.wording import Wording, choose_wording
from llava_eval.records import DataSet, Json, Prediction, Result, Sample
from llava_eval.replies import Chat, Failure, Reply
from llava_eval.sides import Side
from llava_eval.store import RESULT, SCORES, result_to_json, with_happenings, write_scores
from llava_eval.task import Judging, Task
from llava_eval.version import __version__

# A judge that fails so many calls, with no reply between them, is broken, not unlucky.
MAX_FAILED_CALLS = 10

Queue = deque[tuple[str, Chat]]


@dataclass(frozen=True)
class Job:
    """One run to be graded.

    Attributes:
        task: Its card, which has a judge.
        judging: Of the card.
        data: The rows that were asked.
        side: What was answered, and the replies so far.
        wording: In whose words the judge is asked.
        runs: How often.
    """

    task: Task
    judging: Judging
    data: DataSet
    side: Side
    wording: Wording
    runs: int

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.side.folder

    @property
    def predictions(self) -> Mapping[str, Prediction]:
        """What was answered, by sample id."""
        return self.side.predictions

    @property
    def layout(self) -> Layout:
        """What stands where in a message."""
        return LAYOUTS[self.judging.layout]

    @property
    def answered(self) -> dict[str, Sample]:
        """The samples that have an answer, by id; what failed is not judged."""
        found = {sample.id: sample for sample in self.data.samples}
        kept = {n: s for n, s in found.items() if n in self.predictions}
        return {name: s for name, s in kept.items() if not self.predictions[name].failed}

    def chats(self, sample: Sample, replies: Sequence[str]) -> list[Chat]:
        """Return what can be asked now about a sample's answer."""
        answer = self.predictions[sample.id].text
        texts = self.wording.texts
        return self.layout.asks(self.judging, texts, sample, answer, replies, self.runs)

    def identity(self) -> Json:
        """Return how the judge is asked: all that can change a reply, the judge excepted."""
        settings = vars(self.judging) | {"wording": "", "original": "", "original_file": ""}
        asked = digest_of([settings, dict(self.wording.texts)])
        return {"dialect": self.wording.dialect, "asked": asked}


class GradeWatcher(Protocol):
    """Somebody who looks on."""

    def judge(self, lines: Sequence[str], calls: int) -> None:
        """Take note of what judging will take, before the first call."""

    def judged(self) -> None:
        """Take note of a reply that is on disk now."""

    def graded(self, result: Result, folder: Path) -> None:
        """Take note of a result that has its grades."""

    def fail(self, name: str, error: LlavaEvalError) -> None:
        """Take note of a run that cannot be judged; the others go on."""

    def judging(self, used: str) -> None:
        """Take note of what judging took, when it ends, however it ends."""


def wants(task: Task, settings: JudgeSettings) -> bool:
    """Whether a judge of these settings has something to do with a task."""
    return task.judge is not None and (settings.match or not LAYOUTS[task.judge.layout].matches)


def prepare(task: Task, data: DataSet, side: Side, settings: JudgeSettings) -> Job:
    """Look at a run of a task that has a judge.

    Raises:
        RunError: The card has none.
        DataError: The user's words cannot be read.
    """
    judging = task.judge
    if judging is None:
        raise RunError(f"{side.folder}: the card of {task.name} has no judge")
    wording = choose_wording(task, judging, settings.rules)
    runs = 1 if LAYOUTS[judging.layout].matches else settings.runs
    return Job(task, judging, data, side, wording, runs)


def check_graded(job: Job, judge: Json) -> None:
    """Check that what was graded so far, if anything, is what would be graded now.

    Args:
        job: The run.
        judge: What is known of the judge before it is loaded.

    Raises:
        RunError: Another judge graded this run, or in other words.
        PredictionsError: Replies are about other answers than the run holds.
    """
    check_seal(job.folder, job.identity() | judge)
    check_answers(job.side.grading, job.predictions)


def plan(job: Job) -> Plan:
    """Say what is still to be asked about a run."""
    replies = read_grading(job.folder).replies
    return summed([Plan(), *(_plan(job, s, replies) for s in job.answered.values())])


def _plan(job: Job, sample: Sample, replies: Mapping[str, Sequence[str]]) -> Plan:
    held = replies.get(sample.id, ())
    chats = job.chats(sample, held)
    return plan_of(chats[0] if chats else None, *job.layout.left(held, job.runs))


def grade(job: Job, judge: Judge, budget: Budget, watcher: GradeWatcher) -> None:
    """Ask what is not answered yet, and store every reply when it comes.

    The caller holds the folder's lock. Calls that fail for good, `budget` counts them, are made
    again by the next `grade`.

    Raises:
        RunError: Another judge graded this run, or call after call failed.
        ServerError: Every call would fail.
    """
    file = GradesFile.open(job.folder, job.identity() | judge.identity(), _environment(job, judge))
    before = budget.used
    try:
        _ask(job, judge, file, budget, watcher)
    finally:
        if budget.used != before:
            note_effort(job.folder, budget.effort(before))


def _ask(job: Job, judge: Judge, file: GradesFile, budget: Budget, watcher: GradeWatcher) -> None:
    samples = job.answered
    queue: Queue = deque()
    for sample in samples.values():
        chats = job.chats(sample, file.replies.get(sample.id, ()))
        queue.extend((sample.id, chat) for chat in chats)
    on_way = Counter(name for name, _ in queue)
    failed: Counter[str] = Counter()
    in_a_row = 0
    while queue and not budget.stopped:
        budget.nothing_on_way()
        for (name, chat), outcome in judge.ask(_affordable(queue, budget)):
            _store(job, file, name, chat, outcome, budget)
            watcher.judged()
            on_way[name] -= 1
            failed[name] += isinstance(outcome, Failure)
            in_a_row = in_a_row + 1 if isinstance(outcome, Failure) else 0
            if isinstance(outcome, Failure) and in_a_row == MAX_FAILED_CALLS:
                raise _broken(job, in_a_row, outcome)
            if not on_way[name] and not failed[name]:
                more = job.chats(samples[name], file.replies[name])
                queue.extend((name, chat) for chat in more)
                on_way[name] += len(more)


def _affordable(queue: Queue, budget: Budget) -> Iterator[tuple[tuple[str, Chat], Chat]]:
    """Take calls off the queue, as they are wanted, while there is money for them.

    Where there is not, those on their way are waited for: they mostly cost less than they may.
    """
    while queue and budget.take(queue[0][1]):
        call = queue.popleft()
        yield call, call[1]


def _store(
    job: Job,
    file: GradesFile,
    name: str,
    chat: Chat,
    outcome: Reply | Failure,
    budget: Budget,
) -> None:
    estimated = False
    if isinstance(outcome, Reply):
        outcome, estimated = with_tokens(chat, outcome)
    budget.settle(chat, outcome, estimated)
    file.append(name, chat, outcome, job.predictions[name].text, estimated)


def _broken(job: Job, calls: int, last: Failure) -> RunError:
    return RunError(
        f"{job.folder}: stopped after {calls} failed calls of the judge in a row, the last with "
        f"{last.reason!r}; put it right and run the same command"
    )


def _environment(job: Job, judge: Judge) -> Json:
    return {
        **judge.environment(),
        "words": job.wording.source,
        "llava_eval": __version__,
        "system": platform.platform(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def finish(job: Job) -> Result:
    """Score a run with what the judge said of it, and write scores and result.

    Raises:
        PredictionsError: No row has an answer.
    """
    grading = read_grading(job.folder)
    scores, result = score_graded(job.task, job.data, job.predictions, grading)
    result = with_happenings(result, job.side.run)
    write_scores(job.folder / SCORES, scores)
    write_json(job.folder / RESULT, result_to_json(result))
    return result
