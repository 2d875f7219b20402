"""Run folders that compare, leaderboard, explain and submit read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llava_eval.resources import resource
from tests.bad_input.case import Case, both, nothing, write
from tests.boards import replayed

RUN, RESULT = "run.json", "result.json"
ANSWERS, SCORES = "predictions.jsonl", "scores.jsonl"
COMPARE = "compare {d}/a {d}/b"
BOARD = "leaderboard {d}/b --out {d}/table.md"
EXPLAIN = "explain {d}/b"
SUBMIT = "submit {d}/b"
REPORT = "report {d}/b --no-samples --out {d}/report"


def _runs(change: Callable[[Path], object], task: str = "pope") -> Callable[[Path], object]:
    """Write two runs, and change something in the second."""

    def spoil(folder: Path) -> None:
        replayed(folder / "a" / task, task, set(), "a")
        replayed(folder / "b" / task, task, {3}, "b")
        change(folder / "b" / task)

    return spoil


def _set(name: str, *keys: str, **values: Any) -> Callable[[Path], object]:
    """Change values in a JSON file, below some keys; what is None is taken out."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        part = content
        for key in keys:
            part = part[key]
        part.update(values)
        for key in [key for key, value in values.items() if value is None]:
            del part[key]
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    return change


def _cut(name: str, keep: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def _add(name: str, line: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(
        (folder / name).read_text(encoding="utf-8") + line, encoding="utf-8"
    )


def _case(
    command: str, name: str, change: Callable[[Path], object], where: str, what: str, say: str = ""
) -> Case:
    told = f"{command.split()[0]}: {name}"
    return Case(told, command, _runs(change), where, what, say)


def _each(name: str, change: Callable[[Path], object], where: str, what: str) -> list[Case]:
    """Try one bad thing with every command that reads it."""
    return [_case(c, name, change, where, what) for c in (COMPARE, BOARD, EXPLAIN)]


CASES = [
    *(
        _case(COMPARE, f"resumed {name}", _set(RUN, resumed=resumed), RUN, "resumed is", "list of")
        for name, resumed in (("that is a number", 5), ("of numbers", [5]), ("that is {}", {}))
    ),
    *(
        _case(REPORT, f"{name} without end", _set(RUN, efforts=[effort]), RUN, f"{name} is")
        for name, effort in (
            ("answered", {"answered": 10**400, "seconds": 1.0}),
            ("seconds", {"answered": 1, "seconds": 10**400}),
            ("decode", {"answered": 1, "seconds": 1.0, "stages": {"decode": 10**400}}),
        )
    ),
    *(
        _case(COMPARE, f"efforts {name}", _set(RUN, efforts=efforts), RUN, "efforts is", "list of")
        for name, efforts in (
            ("that are a number", 7),
            ("that are numbers", [7]),
            ("with a number for notes", [{"notes": 7}]),
            ("with notes that are numbers", [{"notes": [7]}]),
        )
    ),
    *_each("a result cut short", _cut(RESULT, 99), RESULT, "cannot be read"),
    *_each("a result that is a list", write(RESULT, "[]"), RESULT, "must hold an object"),
    *_each("a result of 100,000 brackets", write(RESULT, "[" * 100_000), RESULT, "cannot be read"),
    *_each("a result in UTF-16", write(RESULT, "{}".encode("utf-16")), RESULT, "cannot be read"),
    *_each("a number of rows in words", _set(RESULT, n="12"), RESULT, "n is '12', must be int"),
    *_each("a run cut short", _cut(RUN, 50), RUN, "cannot be read"),
    *_each("a run that is a list", write(RUN, "[1]"), RUN, "must hold an object"),
    *_each("a run without an identity", _set(RUN, identity=None), RUN, "no identity"),
    *_each("a run that is nobody's", _set(RUN, environment=[]), RUN, "no environment with source"),
    *_each("a task that is a list", _set(RUN, "identity", task=["pope"]), RUN, "task is ['pope']"),
    *_each(
        "a source that is a number", _set(RUN, "environment", source=3), RUN, "source is 3, must"
    ),
    _case(BOARD, "a result without a field", _set(RESULT, unit=None), RESULT, "'unit'"),
    _case(BOARD, "a result with a field too many", _set(RESULT, more=1), RESULT, "'more'"),
    _case(BOARD, "metrics that are a list", _set(RESULT, metrics=[1]), RESULT, "metrics is [1]"),
    _case(BOARD, "groups that are a text", _set(RESULT, groups="all"), RESULT, "groups is 'all'"),
    _case(
        BOARD, "a metric that is a number", _set(RESULT, "metrics", f1=85.9), RESULT, "f1 is 85.9"
    ),
    _case(
        BOARD,
        "a value in words",
        _set(RESULT, "metrics", "f1", value="85.9"),
        RESULT,
        "value is '85.9', must be float or null",
    ),
    _case(
        BOARD,
        "a value that is NaN",
        _set(RESULT, "metrics", "f1", value=float("nan")),
        RESULT,
        "value is nan, must be a finite number",
    ),
    _case(
        BOARD,
        "a bound that is infinite",
        _set(RESULT, "metrics", "f1", low=float("-inf")),
        RESULT,
        "low is -inf, must be a finite number",
    ),
    _case(
        BOARD,
        "a figure without a value",
        _set(RESULT, "metrics", "f1", value=None),
        RESULT,
        "value",
    ),
    _case(
        BOARD,
        "a primary metric that is not there",
        _set(RESULT, primary="f2"),
        RESULT,
        "no metric 'f2'",
    ),
    _case(
        BOARD, "a prompt that is a text", _set(RESULT, prompt="?"), RESULT, "prompt is '?', must"
    ),
    _case(
        BOARD,
        "prompt lines that are numbers",
        _set(RESULT, "prompt", lines=[1]),
        RESULT,
        "lines is [1], must be a list of texts",
    ),
    _case(
        EXPLAIN,
        "a prompt without lines",
        _set(RESULT, "prompt", lines=[["?"]]),
        RESULT,
        "must be a list of texts",
    ),
    _case(
        COMPARE,
        "a sealed prompt that is a list",
        _set(RUN, "identity", prompt=["?"]),
        RUN,
        "prompt is ['?'], must be",
    ),
    _case(
        COMPARE,
        "a token limit in words",
        _set(RUN, "identity", max_new_tokens="few"),
        RUN,
        "max_new_tokens is 'few', must be int",
    ),
    _case(COMPARE, "answers cut short", _cut(ANSWERS, 99), ANSWERS, "is the file complete?"),
    _case(
        COMPARE,
        "an answer twice",
        _add(ANSWERS, '{"id": "0", "text": ""}\n'),
        ANSWERS,
        "id '0' is answered a second time",
    ),
    _case(COMPARE, "answers that are none", _add(ANSWERS, "[]\n"), ANSWERS, "must be an object"),
    _case(
        COMPARE,
        "grades of what has no judge",
        write("grades.jsonl", '{"id": "0", "replies": []}'),
        "pope",
        "no judge scores this benchmark",
    ),
    _case(
        COMPARE,
        "rows that are not there",
        _set(RUN, "environment", source="/nowhere/rows.jsonl"),
        "/nowhere/rows.jsonl",
        "no such file",
    ),
    _case(
        COMPARE,
        "rows of another benchmark",
        _set(RUN, "environment", source=str(resource("tasks/mini/gqa.parquet"))),
        "gqa.parquet:0",
        "category",
    ),
    Case(
        "submit: a run of a benchmark that takes none",
        SUBMIT,
        _runs(nothing),
        "pope",
        "takes no submissions",
        code=2,
    ),
    _case(
        SUBMIT, "a source that is a number", _set(RUN, "environment", source=3), RUN, "source is 3"
    ),
    Case(
        "submit: answers that are missing",
        SUBMIT,
        _runs(write(ANSWERS, ""), "gqa"),
        "gqa",
        "has no answer",
        "finish the run first",
    ),
    Case(
        "submit: answers cut short",
        SUBMIT,
        _runs(_cut(ANSWERS, 99), "gqa"),
        ANSWERS,
        "is the file complete?",
    ),
    Case(
        "submit: other rows",
        SUBMIT + " --data {d}/rows.jsonl",
        both(_runs(nothing, "gqa"), write("rows.jsonl", "")),
        "rows.jsonl",
        "no rows in it",
    ),
    Case(
        "submit: rows of another version",
        SUBMIT,
        _runs(_set(RUN, "identity", data="0" * 16), "gqa"),
        "gqa",
        "not a run of all rows",
    ),
    Case(
        "submit: a file for a folder",
        SUBMIT + " --out {d}/b/gqa/run.json",
        _runs(nothing, "gqa"),
        RUN,
        "cannot be written",
    ),
    Case(
        "compare: two runs of one task",
        COMPARE,
        both(_runs(nothing), lambda d: replayed(d / "b" / "again", "pope", set(), "c")),
        "{d}/b",
        "two runs of pope",
        "name one",
        code=2,
    ),
    Case(
        "compare: a task that neither has",
        COMPARE + " --tasks gqa",
        _runs(nothing),
        "--tasks gqa",
        "in neither side",
        code=2,
    ),
    Case(
        "compare: no names of tasks",
        COMPARE + " --tasks ,",
        _runs(nothing),
        "--tasks",
        "names no task",
        "give names",
        code=2,
    ),
    Case(
        "leaderboard: --strict and a mini split",
        BOARD + " --strict",
        _runs(nothing),
        "--strict",
        "may not stand in their columns",
        "leave them out",
        code=4,
    ),
]
