"""Results to one table, beside the published rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from llava_eval.records import Result
from llava_eval.resources import resource
from llava_eval.store import RESULT, read_json, read_run, result_from_json
from llava_eval.tables import markdown_table, show_short, text_table
from llava_eval.task import load_task, task_names


@dataclass
class Line:
    """One row of the table: a model, and its cells by task."""

    name: str
    cells: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaderboard:
    """A table with its footnotes."""

    tasks: list[str]
    lines: list[Line]
    notes: list[str]

    def rows(self) -> list[list[str]]:
        """Return heading and lines as cells."""
        titles = {name: load_task(name).title for name in task_names()}
        heading = ["model", *(titles.get(task, task) for task in self.tasks)]
        return [heading] + [
            [line.name, *(line.cells.get(task, "") for task in self.tasks)] for line in self.lines
        ]


def build_leaderboard(folders: Sequence[Path]) -> Leaderboard:
    """Put the results of run folders beside the published rows.

    Args:
        folders: As `store.find_runs` returns them; runs without a result are noted.

    Returns:
        Columns for the tasks that have a result; for all tasks if there is none.
    """
    lines: dict[str, Line] = {}
    notes = []
    for folder in folders:
        if not (folder / RESULT).exists():
            notes.append(f"{folder}: not finished")
            continue
        result = result_from_json(read_json(folder / RESULT), str(folder / RESULT))
        name = read_run(folder)["identity"]["model"] + (" (mini)" if result.mini else "")
        if name in lines and result.task in lines[name].cells:
            name = f"{name} [{folder}]"  # the same model once more: a row of its own
        line = lines.setdefault(name, Line(name))
        line.cells[result.task] = show_short(result.headline) + ("" if result.complete else " †")
        notes += [f"† {name}, {result.task}: {flaw}" for flaw in flaws(result)]
    if any(" (mini)" in name for name in lines):
        notes.append("mini: the demo's own small split; not comparable with any other row")
    measured = {task for line in lines.values() for task in line.cells}
    own = sorted(measured - set(task_names()))
    tasks = [task for task in task_names() if task in measured or not measured] + own
    published, sources = _published()
    return Leaderboard(tasks, [*lines.values(), *published], notes + sources)


def flaws(result: Result) -> list[str]:
    """Say what keeps a result from being the benchmark's number."""
    counted = (
        (result.failed, "failed"),
        (result.missing, "missing"),
        (result.ungraded, "not graded"),
    )
    found = [f"{count:,} of {result.n:,} {what}" for count, what in counted if count]
    if result.drawn:
        found.append(f"a draw of {result.n:,} samples")
    if not result.known:
        found.append(f"{result.n:,} rows are no known version of the benchmark")
    return found


def _published() -> tuple[list[Line], list[str]]:
    content = yaml.safe_load(resource("results/published.yaml").read_text(encoding="utf-8"))
    lines = [
        Line(
            f"{model['name']} [{model['source']}]",
            {task: _published_cell(value) for task, value in model["scores"].items()},
        )
        for model in content["models"]
    ]
    return lines, [f"[{name}]: {text}" for name, text in content["sources"].items()]


def _published_cell(value: Any) -> str:
    return str(value["value"] if isinstance(value, dict) else value)


def _text(board: Leaderboard) -> str:
    return "\n".join([text_table(board.rows()), "", *board.notes])


def _markdown(board: Leaderboard) -> str:
    return "\n".join([markdown_table(board.rows()), "", *(f"- {note}" for note in board.notes)])


FORMATS: dict[str, Callable[[Leaderboard], str]] = {"text": _text, "md": _markdown}
