"""Every bad input: one line that says where, what and what to do, and an exit code."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from llava_eval.cli import main
from llava_eval.samples import read_samples
from llava_eval.task import load_task
from tests.bad_input import (
    cards,
    checkpoints,
    commands,
    files,
    official,
    predictions,
    rows_of_tasks,
    runs,
)
from tests.bad_input.case import Case, hub_rows, lines, write

MODULES = (cards, checkpoints, commands, files, official, predictions, rows_of_tasks, runs)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]
BAR = "sample/s]"  # in a line of the progress bar
# Libraries write to the file of standard error themselves, past Python.
LOUD = (
    "parquet whose footer is noise",
    "saved rows cut short",
    "a table in Latin-1",
    "pictures that are none, in parquet",
    "checkpoint: a tensor too few",
    "checkpoint: a tensor too small",
    "checkpoint: no tokenizer",
    "checkpoint: heads that do not divide",
    "llava-eval run --tasks pope",
    "compare: a run that is a list",
)
RESULTS = ("result.json", "scores.jsonl", "table.md", "*.part")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_one_line_and_an_exit_code(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case.spoil(tmp_path)
    capsys.readouterr()
    before = set(tmp_path.rglob("*"))
    code = main([word.replace("{d}", str(tmp_path)) for word in shlex.split(case.command)])
    said = [line for line in capsys.readouterr().err.splitlines() if BAR not in line and line]
    assert (code, len(said)) == (case.code, 1), said
    assert said[0].startswith("llava-eval: ")
    for part in (case.where.replace("{d}", str(tmp_path)), case.what, case.advice):
        assert part in said[0]
    assert len(said[0]) < 2100
    new = set(tmp_path.rglob("*")) - before
    assert not [path for pattern in RESULTS for path in new if path.match(pattern)]


def test_there_are_at_least_150_bad_inputs_all_different() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 150


@pytest.mark.parametrize("task", official.FOLDERS)
def test_the_folders_that_the_bad_ones_are_made_from_are_good(tmp_path: Path, task: str) -> None:
    official.write_folder(tmp_path, task)
    assert len(read_samples(load_task(task), str(tmp_path / "eval")).samples) == 1


@pytest.mark.parametrize("task", rows_of_tasks.NEEDED)
def test_the_rows_that_the_bad_ones_are_made_from_are_good(tmp_path: Path, task: str) -> None:
    write("rows.jsonl", lines(hub_rows(task)))(tmp_path)
    assert len(read_samples(load_task(task), str(tmp_path / "rows.jsonl")).samples) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", LOUD)
def test_a_process_of_its_own_says_the_same_line_and_nothing_else(
    tmp_path: Path, name: str
) -> None:
    case = next(case for case in CASES if case.name == name)
    case.spoil(tmp_path)
    words = [word.replace("{d}", str(tmp_path)) for word in shlex.split(case.command)]
    command = [sys.executable, "-m", "llava_eval", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    told = [line for line in done.stderr.splitlines() if BAR not in line and line]
    assert (done.returncode, len(told)) == (case.code, 1), done.stderr
    assert case.what in told[0]
