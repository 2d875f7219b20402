"""All figures of a report, by name; as PNG, as SVG, and as a part of a page."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from llava_eval.errors import UsageError
from llava_eval.report.figures.confusion import letters
from llava_eval.report.figures.distributions import lengths, yes_share
from llava_eval.report.figures.forest import forest
from llava_eval.report.figures.groups import groups
from llava_eval.report.figures.paired import paired
from llava_eval.report.figures.radar import radar
from llava_eval.report.figures.style import style
from llava_eval.report.figures.throughput import speed
from llava_eval.report.subject import Subject, TaskRun

FORMATS = ("png", "svg")


@dataclass(frozen=True)
class Drawn:
    """A figure with its words.

    Attributes:
        name: Unique among the figures of a report; a file name.
        title: Heading.
        description: What it shows, in a sentence or two.
        figure: To be saved.
        task: Name of the task that it is about; "" for one about all of them.
    """

    name: str
    title: str
    description: str
    figure: Figure
    task: str = ""


@dataclass(frozen=True)
class Kind:
    """A figure that a report can have.

    Attributes:
        title: Heading.
        description: What it shows.
        draw: Draws it, or returns None where there is nothing to draw.
    """

    title: str
    description: str
    draw: Callable[[Subject], Figure | None]


@dataclass(frozen=True)
class TaskKind:
    """The same for the runs of one task."""

    title: str
    description: str
    draw: Callable[[Sequence[TaskRun]], Figure | None]


FIGURES = {
    "radar": Kind(
        "Radar chart",
        "Each benchmark is an axis with a scale of its own, printed under its name. "
        "The same numbers stand in the table.",
        radar,
    ),
    "forest": Kind(
        "Forest plot",
        "Each benchmark's number with its 95 % interval, a row per benchmark and a marker per "
        "model. The same numbers stand in the table.",
        forest,
    ),
    "paired": Kind(
        "Paired differences",
        "What the second model gained and lost against the first, paired by sample, with 95 % "
        "intervals and the drop that is allowed.",
        paired,
    ),
}
TASK_FIGURES = {
    "groups": TaskKind(
        "Groups",
        "The number of each group with its 95 % interval, a row per group and a marker per "
        "model. The same numbers stand in the table of groups.",
        groups,
    ),
    "letters": TaskKind(
        "Letters",
        "How often each letter was given for each right one; below, how much more often a "
        "letter is given than it is right, in percentage points.",
        letters,
    ),
    "yes": TaskKind(
        "Share of yes",
        "How often each model says yes, beside how often yes is right.",
        yes_share,
    ),
    "lengths": TaskKind(
        "Length of the answers", "Shares of the answers by their words and tokens.", lengths
    ),
    "throughput": TaskKind(
        "Throughput",
        "Answers over the seconds of the run, and how long each stage of the engine took.",
        speed,
    ),
}


def draw_all(subject: Subject) -> Iterator[Drawn]:
    """Draw every figure that has something to show: those about all tasks, then task by task.

    Raises:
        RunError: A run's `run.json` does not say what a run takes.
    """
    taken: set[str] = set()
    for name, kind in FIGURES.items():
        figure = kind.draw(subject)
        if figure is not None:
            yield Drawn(_unique(name, taken), kind.title, kind.description, figure)
    for task in subject.tasks:
        for drawn in draw_task(subject.of_task(task)):
            yield dataclasses.replace(drawn, name=_unique(drawn.name, taken))


def draw_task(runs: Sequence[TaskRun]) -> Iterator[Drawn]:
    """Draw every figure of one task that has something to show.

    Args:
        runs: Of one task, a model each.

    Raises:
        RunError: A run's `run.json` does not say what a run takes.
    """
    task = runs[0].task
    for name, kind in TASK_FIGURES.items():
        figure = kind.draw(runs)
        if figure is not None:
            title = f"{task.title}: {kind.title.lower()}"
            file = f"{name}-{_slug(task.name)}"
            yield Drawn(file, title, kind.description, figure, task.name)


def _slug(name: str) -> str:
    """Return a name that is harmless as a file and as an id."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:80] or "task"


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number if another figure has it."""
    number, found = 2, name
    while found in taken:
        number, found = number + 1, f"{name}-{number}"
    taken.add(found)
    return found


def save(figure: Figure, path: Path) -> Path:
    """Save a figure as its name's ending says, PNG (300 dpi) or SVG: the same bytes each time.

    Args:
        figure: Any of ours.
        path: Ends with .png or .svg; its folder is created if missing.

    Returns:
        The path.

    Raises:
        UsageError: It has another ending.
    """
    form = path.suffix.removeprefix(".")
    if form not in FORMATS:
        raise UsageError(f"{path}: figures are saved as {' or '.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    silent = {"Software": None} if form == "png" else {"Date": None, "Creator": None}
    with style(salt=path.stem):
        figure.savefig(path, format=form, metadata=silent)
    return path


def save_all(subject: Subject, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Save every figure of a report into a folder.

    Raises:
        UsageError: A format is not known.
    """
    return [
        save(drawn.figure, folder / f"{drawn.name}.{form}")
        for drawn in draw_all(subject)
        for form in formats
    ]
