"""The same report as Markdown: for a pull request's comment."""

from __future__ import annotations

from collections import Counter

from llava_eval.comparison_formats import FORMATS as COMPARISON_FORMATS
from llava_eval.leaderboard.escape import for_markdown
from llava_eval.leaderboard.plain import markdown as board_markdown
from llava_eval.report.measures import OUTCOMES, outcome_of
from llava_eval.report.subject import Subject, TaskRun
from llava_eval.tables import markdown_table, show


def markdown(subject: Subject) -> str:
    """Write differences, numbers, outcomes and the leaderboard as Markdown.

    What a reviewer asks first stands first: what changed, if two runs are compared. The
    leaderboard with the published rows is folded away.

    Args:
        subject: What the report is about.

    Returns:
        Markdown in GitHub's dialect; every text of others stands for itself.
    """
    parts = ["## llava-eval", ""]
    if subject.comparison:
        parts += [COMPARISON_FORMATS["md"](subject.comparison), ""]
    parts += [markdown_table(_numbers(subject)), ""]
    lines = [*_unread(subject), *(run.stale for run in subject.runs if run.stale)]
    parts += [f"- {for_markdown(line)}" for line in lines]
    folded = ["<details><summary>Beside the published numbers</summary>", ""]
    return "\n".join([*parts, *folded, board_markdown(subject.board), "", "</details>"])


def _numbers(subject: Subject) -> list[list[str]]:
    """Return one row per task and model: number, interval, and how the samples ended."""
    counted = [(run, _outcomes(run)) for run in subject.runs]
    found = {name for _, counts in counted for name in counts}
    names = [name for name in OUTCOMES if name in found]
    rows = [["task", "model", "number", "samples", *names]]
    rows += [
        [
            for_markdown(run.task.name),
            for_markdown(run.model),
            f"{show(run.result.headline)} {run.result.unit}",
            f"{run.result.n:,}",
            *(f"{counts[name]:,}" if counts else "" for name in names),
        ]
        for run, counts in counted
    ]
    return rows


def _outcomes(run: TaskRun) -> Counter[str]:
    return Counter(outcome_of(score) for score in run.scores)


def _unread(subject: Subject) -> list[str]:
    return [
        f"{run.model}, {run.task.name}: rows not read: {run.why_no_rows}"
        for run in subject.runs
        if run.why_no_rows
    ]
