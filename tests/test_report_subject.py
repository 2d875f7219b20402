from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import UsageError
from llava_eval.records import Prediction
from llava_eval.report.subject import read_subject
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.task import load_task
from tests.boards import replayed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on two tasks; the second one gives three more wrong answers to POPE."""
    root = tmp_path_factory.mktemp("runs")
    for task in ("mme", "pope"):
        replayed(root / "a" / task, task, {1}, "model-a")
        replayed(root / "b" / task, task, {1, 5, 7, 9} if task == "pope" else {1}, "model-b")
    return root


def test_a_subject_holds_each_run_with_its_rows_and_scores_in_the_order_of_the_table(
    runs: Path,
) -> None:
    subject = read_subject([runs / "a"])
    assert [(run.task.name, run.model) for run in subject.runs] == [
        ("pope", "model-a (mini)"),
        ("mme", "model-a (mini)"),
    ]
    pope = subject.runs[0]
    assert pope.data is not None
    assert [score.id for score in pope.scores] == [sample.id for sample in pope.data.samples]
    assert [score.value for score in pope.scores][:3] == [1.0, 0.0, 1.0]
    assert pope.why_no_rows == ""


def test_one_model_is_compared_with_nothing(runs: Path) -> None:
    assert read_subject([runs / "a"]).comparison is None


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_two_models_the_first_path_is_the_baseline(runs: Path, order: tuple[str, str]) -> None:
    subject = read_subject([runs / name for name in order])
    assert subject.models == tuple(f"model-{name} (mini)" for name in order)
    comparison = subject.comparison
    assert comparison is not None
    assert comparison.baseline == f"model-{order[0]} (mini)"
    pope = comparison.tasks[0]
    difference = pope.measured.difference.value
    assert difference is not None
    assert (difference < 0) == (order == ("a", "b"))


def test_two_models_below_one_folder_are_compared_too(runs: Path) -> None:
    comparison = read_subject([runs]).comparison
    assert comparison is not None
    assert [task.task for task in comparison.tasks] == ["pope", "mme"]


def test_a_run_named_twice_stands_in_the_subject_once(runs: Path) -> None:
    assert len(read_subject([runs / "a", runs / "a" / "pope"]).runs) == 2


def test_rows_that_cannot_be_read_are_a_reason_in_one_line_and_no_error(
    runs: Path, tmp_path: Path
) -> None:
    subject = read_subject([runs], data=str(tmp_path / "nothing.jsonl"))
    assert {run.data for run in subject.runs} == {None}
    assert {len(run.why_no_rows.splitlines()) for run in subject.runs} == {1}
    assert "nothing.jsonl: no such file" in subject.runs[0].why_no_rows
    assert subject.comparison is None


def test_without_samples_no_row_is_read(runs: Path) -> None:
    run = read_subject([runs / "a"], samples=False).runs[0]
    assert (run.data, run.scores, run.why_no_rows) == (None, (), "")
    assert run.result.n == 324


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such folder of runs"):
        read_subject([tmp_path / "nowhere"])


def test_runs_that_are_not_finished_are_nothing_to_report_on(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "a" / "pope", tmp_path / "pope")
    (tmp_path / "pope" / "result.json").unlink()
    with pytest.raises(UsageError, match="no finished run"):
        read_subject([tmp_path])


def test_a_task_of_ones_own_is_read_with_its_card(runs: Path, tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    cards.mkdir()
    card = load_task("pope").home / "pope.yaml"
    text = card.read_text().replace("name: pope", "name: digits").replace("mini: mini/", "file: ")
    (cards / "digits.yaml").write_text(text)
    shutil.copy(card.parent / "mini/pope.parquet", cards)
    task = load_task("digits", cards)
    data = read_samples(task, str(cards / "pope.parquet"))
    answers = {sample.id: Prediction(sample.id, "Yes") for sample in data.samples}
    engine, folder = ReplayEngine(answers, "own"), tmp_path / "runs/digits"
    run_task(task, data, engine, "own", folder, False, Nobody())
    [run] = read_subject([folder], tasks_dir=cards).runs
    assert (run.task.name, len(run.scores)) == ("digits", 324)
    with pytest.raises(UsageError, match=r"runs/digits: task 'digits' is not known; .*--tasks-dir"):
        read_subject([folder])


def test_other_rows_than_those_of_the_run_are_read_only_if_forced(
    runs: Path, tmp_path: Path
) -> None:
    lines = (runs / "a/mme/scores.jsonl").read_text().splitlines()
    rows = [
        {"question_id": f"{i // 2}.png", "question": "?", "answer": "Yes", "category": "OCR"}
        for i in range(len(lines))
    ]
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [run] = read_subject([runs / "a/mme"], data=str(other)).runs
    assert "does not hold the rows" in run.why_no_rows
    [run] = read_subject([runs / "a/mme"], data=str(other), force=True).runs
    assert (run.why_no_rows, len(run.scores)) == ("", len(rows))
