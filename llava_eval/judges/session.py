"""One judge, and the runs that it is to grade, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from llava_eval.errors import UsageError
from llava_eval.judges.budget import Budget
from llava_eval.judges.grading import GradeWatcher, Job, finish, grade, plan, prepare, wants
from llava_eval.judges.judge import JudgeSettings, load_judge
from llava_eval.judges.plan import plan_lines, summed
from llava_eval.judges.wording import choose_wording
from llava_eval.prices import load_prices
from llava_eval.records import Result
from llava_eval.run_folder import cut_torn_line, lock_folder
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
        failed: Calls that failed for good.
        results: Of the runs that were scored, with what the judge said so far.
    """

    settings: JudgeSettings
    jobs: list[Job]
    budget: Budget
    failed: int = 0
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
            LlavaEvalError: The judge cannot be asked, or a run cannot be graded by it. Replies
                that came are on disk.
        """
        watcher.judge(self.lines(), self.plan.calls)
        judge = load_judge(self.settings) if self.plan.calls else None
        for job in self.jobs:
            if judge is not None:
                self.failed += grade(job, judge, self.budget, watcher)
            self.results.append(finish(job))
            watcher.graded(self.results[-1], job.folder)

    @property
    def waiting(self) -> int:
        """Calls that the last `grade` left to be made."""
        return summed(map(plan, self.jobs)).calls


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
        UsageError: There is nothing to be judged, or the judge has no price.
        LlavaEvalError: A run, its rows or the user's words cannot be read.
    """
    budget = _budget(settings)
    with ExitStack() as stack:
        jobs = []
        for folder in folders:
            task = load_task(str(read_run(folder)["identity"]["task"]), tasks_dir)
            if not wants(task, settings):
                continue
            stack.enter_context(lock_folder(folder))
            cut_torn_line(folder / GRADES)
            side = read_side(folder)
            rows = rows_of(task, side, data, force=False)
            jobs.append(prepare(task, rows, folder, settings))
        if not jobs:
            raise UsageError(
                f"{folders[0] if len(folders) == 1 else f'{len(folders)} runs'}: nothing for a "
                "judge; it grades llava_bench and mmvet, and with --match reads mmbench"
            )
        yield Session(settings, jobs, budget)


def check_judge(settings: JudgeSettings, tasks: Sequence[Task]) -> None:
    """Check what the user says of a judge before a model answers for hours.

    Raises:
        UsageError: The judge has no price.
        LlavaEvalError: Prices or words cannot be read.
    """
    _budget(settings)
    for task in tasks:
        if task.judge is not None:
            choose_wording(task, task.judge, settings.rules)


def _budget(settings: JudgeSettings) -> Budget:
    if settings.prices is None:
        return Budget()
    prices = load_prices(settings.prices)
    return Budget(prices.of(settings.model), settings.budget, prices.currency)
