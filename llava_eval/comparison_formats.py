"""A comparison as text, Markdown or JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence

from llava_eval.comparison import Comparison, TaskComparison
from llava_eval.leaderboard.escape import for_markdown
from llava_eval.records import Json
from llava_eval.tables import markdown_table, printable, text_table

HEADING = (
    "task",
    "metric",
    "baseline",
    "candidate",
    "difference",
    "p (Holm)",
    "detectable",
    "gained",
    "lost",
    "samples",
    "verdict",
)
IDS_SHOWN = 5


def _table(comparison: Comparison) -> list[list[str]]:
    return [list(HEADING), *(_row(task) for task in comparison.tasks)]


def _row(task: TaskComparison) -> list[str]:
    found, places = task.measured, _decimals(task)
    if not found.samples:
        return [task.task, task.metric, *[""] * (len(HEADING) - 3), task.verdict]
    change = found.difference
    return [
        task.task,
        task.metric,
        _figure(found.baseline, places),
        _figure(found.candidate, places),
        _signed(change.value, places)
        + (
            f" [{_signed(change.low, places)}, {_signed(change.high, places)}]"
            if change.low is not None
            else ""
        ),
        "" if task.p_holm is None else _p(task.p_holm),
        _figure(found.detectable, places),
        f"{len(found.gained):,}",
        f"{len(found.lost):,}",
        f"{found.samples:,}",
        task.verdict,
    ]


def _decimals(task: TaskComparison) -> int:
    """Two decimals where half a percent is the question, one for points of thousands."""
    return 2 if task.unit == "percent" else 1


def _figure(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:.{places}f}"


def _signed(value: float | None, places: int) -> str:
    """Write a difference with its sign; zero has none.

    >>> _signed(-0.001, 2), _signed(1.5, 1)
    ('0.00', '+1.5')
    """
    if value is None:
        return "undefined"
    text = f"{value:+.{places}f}"
    return text[1:] if float(text) == 0 else text


def _p(value: float) -> str:
    """Write a p value.

    >>> [_p(value) for value in (0.00004, 0.0123, 1.0)]
    ['<0.0001', '0.0123', '1.0000']
    """
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _lines(comparison: Comparison) -> list[str]:
    """Say what no column holds, one line each."""
    lines = []
    for task in comparison.tasks:
        how = "compared all the same (--force)" if task.measured.samples else "refused"
        lines += [f"{task.task}: {how}: {each.words}" for each in task.apart]
        lines += [f"{task.task}: {note}" for note in (*task.notes, *_doubt(task))]
        lines += [
            f"{task.task}: {name} {_ids(ids)}"
            for name, ids in (("lost", task.measured.lost), ("gained", task.measured.gained))
            if ids
        ]
    return [*_recorded(comparison.tasks), *lines, *comparison.notes]


def _doubt(task: TaskComparison) -> list[str]:
    """Say what an inconclusive task leaves open."""
    low = task.measured.difference.low
    if task.verdict != "inconclusive" or low is None:
        return []
    places = _decimals(task)
    return [f"a drop of {-low:.{places}f} is not excluded, {task.max_drop:g} {task.unit} allowed"]


def _ids(ids: Sequence[str]) -> str:
    more = len(ids) - IDS_SHOWN
    return ", ".join(ids[:IDS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _recorded(tasks: Sequence[TaskComparison]) -> list[str]:
    """Say once what the runs differ in besides: the model, versions, hardware."""
    found = {(name, *pair): None for task in tasks for name, pair in task.recorded.items()}
    return [f"{name}: {old or 'none'} -> {new or 'none'}" for name, old, new in found]


def _conclusion(comparison: Comparison) -> str:
    named = [task.task for task in comparison.tasks if task.verdict == comparison.verdict]
    where = "" if comparison.verdict == "pass" else f" ({', '.join(named)})"
    forced = "; forced: not a comparison of like with like" if comparison.forced else ""
    return f"verdict: {comparison.verdict}{where}{forced}"


def _rule(comparison: Comparison) -> str:
    allowed = [f"{task.max_drop:g} {task.unit}" for task in comparison.tasks]
    return (
        f"allowed drop: {comparison.max_drop:g} % of a metric's scale "
        f"({', '.join(dict.fromkeys(allowed))}); brackets: 95 % interval; "
        "detectable: the smallest drop found with 80 % power"
    )


def _text(comparison: Comparison) -> str:
    runs = (f"baseline   {comparison.baseline}", f"candidate  {comparison.candidate}")
    head = "\n".join(map(printable, runs)) + "\n"
    parts = [head, text_table(_table(comparison)), "", _rule(comparison)]
    lines = [*_lines(comparison), _conclusion(comparison)]
    return "\n".join([*parts, *map(printable, lines)])


def _markdown(comparison: Comparison) -> str:
    runs = [for_markdown(name) for name in (comparison.candidate, comparison.baseline)]
    head = f"**{for_markdown(_conclusion(comparison))}**, {' against '.join(runs)}"
    rows = [[for_markdown(cell) for cell in row] for row in _table(comparison)]
    notes = [f"- {for_markdown(line)}" for line in [_rule(comparison), *_lines(comparison)]]
    parts = [head, "", markdown_table(rows), ""]
    return "\n".join([*parts, *notes])


def comparison_to_json(comparison: Comparison) -> Json:
    """Return what `--format json` prints; the names are a contract."""
    content = dataclasses.asdict(comparison)
    tasks = [
        {**{name: value for name, value in task.items() if name != "measured"}, **task["measured"]}
        for task in content.pop("tasks")
    ]
    return {
        "verdict": comparison.verdict,
        "exit_code": comparison.exit_code,
        **content,
        "tasks": tasks,
    }


def _json(comparison: Comparison) -> str:
    return json.dumps(comparison_to_json(comparison), indent=2)


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "text": _text,
    "md": _markdown,
    "json": _json,
}
