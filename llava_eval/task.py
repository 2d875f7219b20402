"""Cards and tasks: find, load, check strictly, fingerprint.

A card is data. `load_task` checks every key and type of it, so that a slip of the pen is one
line that names the file, the key and the nearest known one, and never a silent default.
"""

from __future__ import annotations

import dataclasses
import re
import string
import typing
from collections.abc import Iterable, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llava_eval.adapters import ADAPTERS
from llava_eval.digests import digest_of
from llava_eval.errors import CardError, UsageError, nearest
from llava_eval.judges.layouts import LAYOUTS
from llava_eval.official import OFFICIAL
from llava_eval.paths import FOLDER, files_in, kind_of, leads_out
from llava_eval.prompts import PROMPT_FIELDS, QUESTION_RULES
from llava_eval.resources import resource
from llava_eval.scorers import SCORERS, JudgedScorer
from llava_eval.strict import load_record

NAME = re.compile(r"\w(?:[\w.-]*\w)?")
# Order of the columns in the tables of the LLaVA-1.5 paper; other tasks stand behind them.
TABLE = (
    "vqav2",
    "gqa",
    "vizwiz",
    "scienceqa",
    "textvqa",
    "pope",
    "mme",
    "mmbench",
    "mmbench_cn",
    "seedbench",
    "llava_bench",
    "mmvet",
)


@dataclass(frozen=True)
class Columns:
    """Which column of a row holds what; a name that is left out is not in these rows.

    Every source of a task delivers the same columns: those of its Hub data set and those that
    the card's adapter adds.
    """

    question: str
    id: str = ""  # left out: the row's number, from 0
    id_repeats: bool = False  # True: rows that share an id become "7", "7#2", ... in their order
    references: str = ""  # one answer, or a list of them
    image: str = ""
    image_required: bool = True  # False: a row without an image is a question about none
    choices: str = ""  # a list
    hint: str = ""  # a text, or a list that is joined by commas
    cluster: str = ""
    llava_id: str = ""  # what LLaVA's answer files call question_id, where that is not the id
    groups: dict[str, str] = field(default_factory=dict)  # a group that a row lacks is empty


@dataclass(frozen=True)
class Hub:
    """A data set of the Hugging Face Hub; the first repository that exists is used."""

    repos: list[str]
    split: str
    config: str = ""
    images_config: str = ""  # where images stand in a configuration of their own, by "id"
    images_split: str = ""
    images_key: str = ""  # the column that names a row's image there


@dataclass(frozen=True)
class Official:
    """The folder that LLaVA's own scripts read."""

    folder: str  # below playground/data/eval
    marker: str  # a file by which the folder is recognised
    reader: str  # key of `official.OFFICIAL`
    other_markers: list[str] = field(default_factory=list)  # where splits come in other files
    files: dict[str, str] = field(default_factory=dict)  # a file given by itself, and its reader


@dataclass(frozen=True)
class Prompt:
    """The question text: lines joined by newlines.

    A line in square brackets is left out where its field is empty; `{options}` stands for one
    line per choice, "A. ..." and so on.
    """

    lines: list[str]
    question: str = "as_is"  # key of `prompts.QUESTION_RULES`


@dataclass(frozen=True)
class Judging:
    """How a judge is asked about an answer.

    Attributes:
        layout: Key of `judges.layouts.LAYOUTS`: what stands where in a message.
        wording: What the judge is told to do, in our own words; the original's text belongs to
            its authors and is read from the user's copy.
        temperature: Of the first try.
        max_tokens: Limit of a reply.
        system: System message; none if empty.
        again: Put behind a message whose reply could not be read.
        temperature_step: What each unreadable reply but the first adds to the temperature.
        original: SHA-256 of the original's text; a copy of it gives the dialect "llava".
        original_file: What the user's copy is called.
    """

    layout: str
    wording: str
    temperature: float
    max_tokens: int
    system: str = ""
    again: str = ""
    temperature_step: float = 0.0
    original: str = ""
    original_file: str = ""


@dataclass(frozen=True)
class Citation:
    """Where the benchmark comes from."""

    paper: str
    url: str


@dataclass(frozen=True)
class Task:
    """A benchmark with its protocol: the content of one card.

    Attributes:
        name: Used on the command line and in files.
        title: Heading of its column.
        asks: One sentence: what the benchmark asks.
        prompt: How the question text is made.
        max_new_tokens: Limit of greedy generation.
        scorer: Key of `scorers.SCORERS`.
        primary: Metric that stands in the table.
        unit: "percent" or "points".
        versions: Number of rows to the name of the version that has so many.
        columns: Where in a row what is found.
        adapter: Key of `adapters.ADAPTERS`: adds columns that the schema lacks.
        citation: Where the benchmark comes from.
        scored_at: Where answers can be scored.
        file: File of the benchmark's rows, beside the card.
        mini: File of the demo's own split, beside the card.
        hub: The Hub's data set.
        official: The folder of LLaVA's own scripts.
        judge: How a judge grades the answers, or reads those that the rule cannot.
        others: What other tools do differently, one sentence each.
        home: The folder of the card.
    """

    name: str
    title: str
    asks: str
    prompt: Prompt
    max_new_tokens: int
    scorer: str
    primary: str
    unit: str
    versions: dict[int, str]
    columns: Columns
    citation: Citation
    scored_at: str
    file: str = ""
    mini: str = ""
    hub: Hub | None = None
    official: Official | None = None
    adapter: str = "as_is"
    judge: Judging | None = None
    others: list[str] = field(default_factory=list)
    home: Path = field(init=False, default=Path())

    @property
    def protocol(self) -> str:
        """Digest of everything in card and scorer that can move a score."""
        return digest_of(self.protocol_fields)

    @property
    def protocol_fields(self) -> dict[str, Any]:
        """What `protocol` is the digest of, so that a difference can be named."""
        return {
            "prompt": dataclasses.asdict(self.prompt),
            "max_new_tokens": self.max_new_tokens,
            "scorer": self.scorer,
            "scorer_version": SCORERS[self.scorer].version,
            "primary": self.primary,
        }


def task_names(tasks_dir: Path | None = None) -> list[str]:
    """Return the names of all tasks, in the order of the LLaVA-1.5 table."""
    cards = _cards(tasks_dir)
    return sorted(cards, key=lambda name: (*(name != column for column in TABLE), name))


def load_task(name: str, tasks_dir: Path | None = None) -> Task:
    """Load one task by name.

    Args:
        name: Of a card, without ".yaml".
        tasks_dir: A folder of the user's own cards, besides those that ship.

    Raises:
        UsageError: There is no such task (the nearest name is given) or no such folder.
        CardError: Its card is not valid, or two cards have the same name.
    """
    cards = _cards(tasks_dir)
    if name not in cards:
        raise UsageError(f"task {name!r} is not known; {nearest(name, cards)}")
    return load_card(cards[name])


def _cards(tasks_dir: Path | None) -> dict[str, Path]:
    cards = {path.stem: path for path in resource("tasks").glob("*.yaml")}
    if tasks_dir is None:
        return cards
    if kind_of(tasks_dir, CardError) != FOLDER:
        raise UsageError(f"--tasks-dir {tasks_dir}: no such folder")
    own = {path.stem: path for path in files_in(tasks_dir, "*.yaml", CardError)}
    for name in sorted(own.keys() & cards.keys()):
        raise CardError(f"{own[name]}: a task of this name ships with llava-eval; rename the card")
    return cards | own


def load_card(path: Path) -> Task:
    """Load and check a card.

    Args:
        path: A YAML file whose keys are the attributes of `Task`.

    Raises:
        CardError: A key is unknown, missing, given twice or of the wrong type, or it names
            a scorer, a metric or a prompt field that does not exist.
    """
    task = typing.cast(Task, load_record(Task, path))
    object.__setattr__(task, "home", path.parent)
    _check_names(task, path)
    return task


def _check_names(task: Task, path: Path) -> None:
    if task.name != path.stem:
        raise CardError(f"{path}: name: {task.name!r} must equal the file's name {path.stem!r}")
    if not NAME.fullmatch(task.name):
        raise CardError(
            f"{path}: name: {task.name!r}: a task has a folder of its name; use letters, digits, "
            "'_' and '-', and '.' within"
        )
    _check_paths(task, path)
    _check_filled(task, path)
    readers = [task.official.reader, *task.official.files.values()] if task.official else []
    names: list[tuple[str, str, Iterable[str]]] = [
        ("scorer", task.scorer, SCORERS),
        ("prompt.question", task.prompt.question, QUESTION_RULES),
        ("unit", task.unit, ("percent", "points")),
        ("adapter", task.adapter, ADAPTERS),
        *(("official.reader", reader, OFFICIAL) for reader in readers),
        *([("judge.layout", task.judge.layout, LAYOUTS)] if task.judge else []),
    ]
    for key, value, known in names:
        if value not in known:
            raise CardError(f"{path}: {key}: {value!r} is not known; {nearest(value, known)}")
    if task.max_new_tokens < 1:
        raise CardError(f"{path}: max_new_tokens: {task.max_new_tokens}, must be at least 1")
    metrics = SCORERS[task.scorer].metrics
    if task.primary not in metrics:
        hint = nearest(task.primary, metrics)
        raise CardError(f"{path}: primary: {task.scorer} has no metric {task.primary!r}; {hint}")
    for group in SCORERS[task.scorer].groups:
        if group not in task.columns.groups:
            raise CardError(
                f"{path}: columns.groups: {task.scorer} needs {group!r}; name the column it is in"
            )
    _check_judge(task, path)
    for used in sorted(_fields_in(task.prompt.lines, path) - PROMPT_FIELDS):
        hint = nearest(used, PROMPT_FIELDS)
        raise CardError(f"{path}: prompt.lines: {{{used}}} is not a field; {hint}")


def _check_filled(task: Task, path: Path) -> None:
    """Check that what a task cannot be without is not empty."""
    needed: dict[str, Sized] = {
        "prompt.lines": task.prompt.lines,
        "versions": task.versions,
        "columns.question": task.columns.question,
    }
    if task.hub is not None:
        needed["hub.repos"] = task.hub.repos
    for key, value in needed.items():
        if not value:
            raise CardError(f"{path}: {key}: is empty; fill it in")


def _check_paths(task: Task, path: Path) -> None:
    """Check that a card names no file outside the folder that it is beside or that is given."""
    hub, official = task.hub, task.official
    names = {"file": [task.file], "mini": [task.mini]}
    if hub is not None:
        names |= {"hub.config": [hub.config], "hub.images_config": [hub.images_config]}
    if official is not None:
        files = [official.folder, official.marker, *official.other_markers]
        names |= {"official": files}
    for key, values in names.items():
        for value in values:
            if leads_out(value):
                raise CardError(f"{path}: {key}: {value!r} leads out of the folder; put it below")


def _check_judge(task: Task, path: Path) -> None:
    """Check that the judge is asked for what the scorer can read."""
    if task.judge is None:
        return
    scorer, layout = SCORERS[task.scorer], task.judge.layout
    reads = task.scorer if isinstance(scorer, JudgedScorer) else "match" if scorer.match else ""
    if layout != reads:
        hint = f"must be {reads!r}" if reads else "leave judge out"
        raise CardError(
            f"{path}: judge.layout: {task.scorer} cannot read what {layout!r} asks for; {hint}"
        )


def _fields_in(lines: list[str], path: Path) -> set[str]:
    found: set[str] = set()
    for line in lines:
        try:
            parts = list(string.Formatter().parse(line))
        except ValueError as error:
            raise CardError(f"{path}: prompt.lines: {line!r}: {error}") from error
        for _, name, spec, conversion in parts:
            if spec or conversion:
                raise CardError(f"{path}: prompt.lines: {line!r}: a field is a bare {{name}}")
            found |= {name} if name is not None else set()
    return found
