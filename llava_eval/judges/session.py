"""One judge, and the runs that it is to grade, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from llava_eval.errors import LlavaEvalError, RunError, UsageError
from llava_eval.grades import JUDGE
from llava_eval.judges.budget import Budget
from llava_eval.judges.grading import (
    GradeWatcher,
    Job,
    check_graded,
    finish,
    grade,
    plan,
    prepare,
    wants,
)
from llava_eval.judges.judge import (
    JudgeSettings,
    check_loadable,
    flags_of_a_judge,
    known_identity,
    load_judge,
)
from llava_eval.judges.layouts import LAYOUTS
from llava_eval.judges.plan import plan_lines, summed
from llava_eval.judges.wording import check_rules
from llava_eval.prices import load_prices
from llava_eval.records import Result
from llava_eval.run_folder import check_changeable, cut_torn_line, lock_folder
from llava_eval.sides import read_side, rows_of
from llava_eval.store import GRADES, read_run
from llava_eval.task import Task, load_task


@dataclass
class Session:
    """Runs that one judge is to grade.

    Attributes:
        settings: Of the judge.
        jobs: One per run.
        budget: Of all of them together.
        refused: Folders of runs that cannot be judged, and why; the others go on.
        results: Of the runs that were scored, with what the judge said so far.
    """

    settings: JudgeSettings
    jobs: list[Job]
    budget: Budget
    refused: dict[Path, LlavaEvalError] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = summed(map(plan, self.jobs))

    def lines(self) -> list[str]:
        """Say what grading will take: whom, in whose words, calls, tokens, money."""
        settings = self.settings
        where = f" at {settings.base_url}" if settings.base_url else " (local)"
        runs = "" if settings.runs == 1 else f", {settings.runs} runs"
        words = [
            f"words    {job.task.name}: {job.wording.source} ({job.wording.dialect})"
            + (", asked once" if job.runs < settings.runs else "")
            for job in self.jobs
        ]
        budget = self.budget
        return [
            f"judge    {settings.model}{where}{runs}",
            *dict.fromkeys(words),
            *plan_lines(self.plan, budget.price, budget.currency),
        ]

    def grade(self, watcher: GradeWatcher) -> None:
        """Ask what is missing, run by run, and score each run anew.

        When the budget is spent, the runs that are left are scored as they are.

        Raises:
            LlavaEvalError: The judge cannot be asked. Replies that came are on disk.
        """
        for folder, error in self.refused.items():
            watcher.fail(str(folder), error)
        watcher.judge(self.lines(), self.plan.calls)
        judge = load_judge(self.settings) if self.plan.calls else None
        try:
            for job in self.jobs:
                if judge is not None:
                    grade(job, judge, self.budget, watcher)
                self._finish(job, watcher)
        finally:
            watcher.judging(self.budget.words())

    def _finish(self, job: Job, watcher: GradeWatcher) -> None:
        try:
            cut_torn_line(job.folder / GRADES)
            self.results.append(finish(job))
        except LlavaEvalError as error:
            self.refused[job.folder] = error
            watcher.fail(str(job.folder), error)
        else:
            watcher.graded(self.results[-1], job.folder)

    def check_finished(self) -> None:
        """Check that nothing is left to do.

        Raises:
            RunError: Something is: it says what, and how.
        """
        failed, left = self.budget.used.failed, list[str]()
        if self.budget.stopped:
            calls = summed(map(plan, self.jobs)).calls
            words = f"stopped at the budget, {calls:,} calls are left"
            left.append(f"{words}; a larger --judge-budget goes on")
        if failed:
            words = f"{failed:,} calls failed, the reasons are in {GRADES}"
            left.append(f"{words}; the same command makes them again")
        if self.refused:
            runs = len(self.refused) + len(self.results)
            left.append(f"{len(self.refused)} of {runs} runs could not be judged")
        if left:
            raise RunError("; ".join(left))


@contextmanager
def open_session(
    folders: Sequence[Path],
    settings: JudgeSettings,
    data: str | None = None,
    tasks_dir: Path | None = None,
) -> Iterator[Session]:
    """Look at runs and keep their folders to this process.

    Args:
        folders: Run folders; those whose task has no judge are left out.
        settings: Of the judge.
        data: Where the rows are, if not where the runs found them.
        tasks_dir: A folder of the user's own cards.

    Raises:
        UsageError: There is nothing to be judged, the judge has no price, or a file of words
            is of no use.
        LlavaEvalError: The user's words cannot be read; or the only run cannot be judged. One
            of several is left out, `Session.refused` says why.
    """
    budget = _budget(settings)
    refused: dict[Path, LlavaEvalError] = {}

    @contextmanager
    def apart(folder: Path) -> Iterator[None]:
        try:
            yield
        except LlavaEvalError as error:
            if len(folders) == 1:
                raise
            refused[folder] = error

    with ExitStack() as stack:
        tasks: dict[Path, Task] = {}
        for folder in folders:
            with apart(folder):
                tasks[folder] = load_task(str(read_run(folder)["identity"]["task"]), tasks_dir)
        if not refused or any(wants(task, settings) for task in tasks.values()):
            _check_wanted(settings, list(tasks.values()))
        tasks = {folder: task for folder, task in tasks.items() if wants(task, settings)}
        graded = any((folder / JUDGE).exists() for folder in tasks)
        judge = known_identity(settings) if graded else {}
        jobs = []
        for folder, task in tasks.items():
            with apart(folder):
                stack.enter_context(lock_folder(folder))
                check_changeable(folder / GRADES)
                side = read_side(folder)
                job = prepare(task, rows_of(task, side, data, force=False), side, settings)
                check_graded(job, judge)
                jobs.append(job)
        if not jobs:
            reasons = "; ".join(str(error) for error in refused.values())
            raise RunError(f"no run of {len(folders)} can be judged: {reasons}")
        for job in jobs:
            budget.count_before(job.side.grading.rows)
        yield Session(settings, jobs, budget, refused)


def check_judge(settings: JudgeSettings, tasks: Sequence[Task]) -> None:
    """Check what the user says of a judge before a model answers for hours.

    Raises:
        UsageError: The judge has nothing to do or no price, or a setting is wrong.
        LlavaEvalError: Prices, words or a local judge cannot be read.
    """
    _budget(settings)
    _check_wanted(settings, tasks)
    check_loadable(settings)


def _check_wanted(settings: JudgeSettings, tasks: Sequence[Task]) -> None:
    """Check that the judge has something to do, and that all that is said of it is of use."""
    wanted = [task for task in tasks if wants(task, settings)]
    if not wanted:
        names = ", ".join(dict.fromkeys(task.name for task in tasks))
        raise UsageError(
            f"{names}: nothing for a judge; it grades llava_bench and mmvet, and with "
            "--judge-match reads mmbench"
        )
    check_rules(wanted, settings.rules)
    layouts = [LAYOUTS[task.judge.layout] for task in wanted if task.judge is not None]
    if settings.runs > 1 and all(layout.matches for layout in layouts):
        names = ", ".join(dict.fromkeys(task.name for task in wanted))
        raise UsageError(f"--judge-runs {settings.runs}: {names} is asked about once; leave it out")


def _budget(settings: JudgeSettings) -> Budget:
    if settings.prices is None:
        return Budget()
    prices = load_prices(settings.prices)
    with flags_of_a_judge():
        return Budget(prices.of(settings.model), settings.budget, prices.currency)
