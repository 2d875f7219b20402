"""Every bad input: one line that says where, what and what to do, and an exit code."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from llava_eval.cli import main
from llava_eval.samples import read_samples
from llava_eval.task import load_task
from tests.bad_input import cards, commands, files, official, predictions, rows_of_tasks
from tests.bad_input.case import Case, hub_rows, lines, write

MODULES = (cards, commands, files, official, predictions, rows_of_tasks)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]
BAR = "sample/s]"  # in a line of the progress bar
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
