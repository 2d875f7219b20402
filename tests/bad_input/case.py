"""What a bad input is, and the good one that it was made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from llava_eval.resources import resource

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
        name: What is bad.
        command: Command line; {d} is the folder.
        spoil: Makes the bad thing, in a folder that has nothing in it.
        where: The file or argument that the line must name.
        what: A part of the reason.
        advice: A part of what to do, where the reason does not say it.
        code: Exit code.
    """

    name: str
    command: str
    spoil: Callable[[Path], object]
    where: str
    what: str
    advice: str = ""
    code: int = 1


def nothing(folder: Path) -> None:
    """Leave the folder empty."""


def write(name: str, content: str | bytes) -> Callable[[Path], object]:
    """Return what writes a file."""
    data = content.encode() if isinstance(content, str) else content

    def spoil(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return spoil


def both(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return what does one thing after the other."""

    def spoil(folder: Path) -> None:
        for step in steps:
            step(folder)

    return spoil


def lines(rows: Iterable[Any]) -> str:
    """Write one JSON value a line."""
    return "".join(json.dumps(row) + "\n" for row in rows)


@cache
def _mini(task: str) -> str:
    path = resource(f"tasks/mini/{task}.parquet")
    names = [n for n in parquet.ParquetFile(path).schema_arrow.names if n != "image"]
    return json.dumps(parquet.read_table(path, columns=names).slice(0, 4).to_pylist())


def hub_rows(task: str) -> list[Row]:
    """Return the first four rows of a task in the schema of its data set on the Hub."""
    rows: list[Row] = json.loads(_mini(task))
    return rows


def changed(task: str, **values: Any) -> list[Row]:
    """Return good rows, the third with other values."""
    rows = hub_rows(task)
    rows[2] |= values
    return rows


def without(task: str, name: str) -> list[Row]:
    """Return good rows without a column."""
    return [{key: value for key, value in row.items() if key != name} for row in hub_rows(task)]


def score(task: str, data: str = "rows.jsonl", answers: str = "answers.jsonl") -> str:
    """Return the command line that scores a file of rows."""
    return (
        f"score {task} --data {{d}}/{data} --predictions {{d}}/{answers} "
        "--json {d}/result.json --scores {d}/scores.jsonl"
    )


def run(task: str = "pope", data: str = "rows.jsonl", model: str = "{d}/model") -> str:
    """Return the command line that evaluates a checkpoint."""
    return f"run --model {model} --tasks {task} --data {{d}}/{data} --out {{d}}/out"
