"""Every bad input: one line that says where, what and what to do, and an exit code."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from llava_eval.cli import main
from tests.bad_input import rows_of_tasks
from tests.bad_input.case import Case

CASES: list[Case] = [*rows_of_tasks.CASES]
RESULTS = ("result.json", "scores.jsonl", "table.md", "*.part")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_one_line_and_an_exit_code(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    case.spoil(tmp_path)
    before = set(tmp_path.rglob("*"))
    code = main([word.replace("{d}", str(tmp_path)) for word in shlex.split(case.command)])
    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (case.code, 1), said
    assert said.startswith("llava-eval: ")
    for part in (case.where, case.what, case.advice):
        assert part in said
    assert len(said) < 1000
    new = set(tmp_path.rglob("*")) - before
    assert not [path for pattern in RESULTS for path in new if path.match(pattern)]


def test_there_are_at_least_150_bad_inputs_all_different() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 150
