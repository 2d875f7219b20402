from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import RunError
from llava_eval.failures import FailureLimit
from llava_eval.records import Prediction
from llava_eval.report.measures import (
    answer_lengths,
    failure_reasons,
    letter_matrix,
    outcomes,
    throughput,
    yes_shares,
)
from llava_eval.report.subject import TaskRun, read_subject
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples, taken
from llava_eval.task import load_task


def run_of(folder: Path, name: str, answers: list[Prediction], out: str = "run") -> TaskRun:
    """A run that was asked the first rows of the mini split, with its answers in their order."""
    task = load_task(name)
    rows = read_samples(task, "mini")
    data = taken(rows, [rows.samples[: len(answers)]])
    found = {
        sample.id: dataclasses.replace(answer, id=sample.id)
        for sample, answer in zip(data.samples, answers, strict=True)
    }
    engine, place = ReplayEngine(found, out), folder / out / name
    any_number = FailureLimit(share=1.0)
    run_task(task, data, engine, out, place, False, Nobody(), failure_limit=any_number)
    return read_subject([folder / out]).runs[0]


def said(text: str, **more: Any) -> Prediction:
    return Prediction("", text, **({"finish": "stop"} | more))


def failed(reason: str) -> Prediction:
    return Prediction("", "", "error", reason)


def test_every_sample_has_one_outcome(tmp_path: Path) -> None:
    # The first references are yes, no, yes, no, ...
    answers = [said("Yes"), said("Yes"), said("Yes"), failed("out of memory")]
    run = run_of(tmp_path, "pope", answers)
    assert outcomes(run) == {"right": 2, "wrong": 1, "failed": 1}


def test_an_answer_that_some_annotators_gave_is_partly_right(tmp_path: Path) -> None:
    task = load_task("vqav2")
    [place, reference] = next(
        (place, reference)
        for place, sample in enumerate(read_samples(task, "mini").samples)
        for reference in set(sample.references)
        if 1 <= sample.references.count(reference) <= 2
    )
    run = run_of(tmp_path, "vqav2", [said("zebra")] * place + [said(reference)])
    assert outcomes(run)["partly"] == 1


def test_an_answer_that_the_rule_cannot_read_is_unparsed_and_not_wrong(tmp_path: Path) -> None:
    assert outcomes(run_of(tmp_path, "seedbench", [said("a red ball")])) == {"unparsed": 1}


def test_answers_of_a_judged_benchmark_wait_for_the_judge(tmp_path: Path) -> None:
    assert outcomes(run_of(tmp_path, "mmvet", [said("a tree")] * 3)) == {"ungraded": 3}


def test_lengths_leave_failed_requests_out_and_count_answers_that_were_cut(tmp_path: Path) -> None:
    answers = [
        said("Yes", new_tokens=2),
        said("No there is  none", finish="length", new_tokens=128),
        said("not counted"),
        failed("?"),
    ]
    lengths = answer_lengths(run_of(tmp_path, "pope", answers))
    assert (lengths.words, lengths.new_tokens) == ((1, 4, 2), (2, 128))
    assert (lengths.limit, lengths.cut) == (128, 1)


def test_yes_is_counted_per_category_beside_how_often_it_is_right(tmp_path: Path) -> None:
    run = run_of(tmp_path, "pope", [said("Yes")] * 323 + [said("No")])
    whole, *groups = yes_shares(run)
    assert (whole.n, whole.yes, whole.other, whole.expected) == (324, 323, 0, 162)
    assert [(share.group, share.yes, share.n) for share in groups] == [
        ("adversarial", 108, 108),
        ("popular", 108, 108),
        ("random", 107, 108),
    ]


def test_mme_counts_answers_that_are_neither_yes_nor_no(tmp_path: Path) -> None:
    whole = yes_shares(run_of(tmp_path, "mme", [said("Yes"), said("maybe")]))[0]
    assert (whole.yes, whole.other) == (1, 1)


@pytest.mark.parametrize("task", ["vqav2", "seedbench", "mmvet"])
def test_other_benchmarks_have_no_share_of_yes(task: str, tmp_path: Path) -> None:
    assert yes_shares(run_of(tmp_path, task, [said("yes")])) == ()


def test_letters_are_counted_by_the_right_one_and_the_given_one(tmp_path: Path) -> None:
    run = run_of(tmp_path, "seedbench", [said("A")] * 9 + [said("none")])
    matrix = letter_matrix(run)
    assert matrix is not None
    wanted = [score.sample.references[0] for score in run.scores]
    places = dict(zip(matrix.letters, matrix.counts, strict=True))
    assert matrix.columns[-1] == "unread"
    assert {name: counts[0] for name, counts in places.items()} == {
        name: wanted[:9].count(name) for name in matrix.letters
    }
    assert places[wanted[9]][-1] == 1
    assert matrix.n == 10
    assert matrix.bias[0] == pytest.approx((9 - wanted.count("A")) / 10)


def test_benchmarks_without_lettered_options_have_no_letters(tmp_path: Path) -> None:
    assert letter_matrix(run_of(tmp_path, "pope", [said("A")])) is None


def test_throughput_is_told_call_by_call(tmp_path: Path) -> None:
    run = run_of(tmp_path, "pope", [said("Yes")])
    efforts = [
        {"answered": 100, "seconds": 4.0, "stages": {"decode": 3.0}, "progress": [[1, 40]]},
        {"answered": 50, "seconds": 1},
    ]
    first, second = throughput(_with_efforts(run, efforts))
    assert (first.rate, first.stages, first.progress) == (25.0, {"decode": 3.0}, ((1.0, 40.0),))
    assert (second.rate, second.before, second.began) == (50.0, 100, 4.0)


@pytest.mark.parametrize(
    "efforts",
    [
        7,
        [7],
        [{"answered": 1}],
        [{"answered": 1, "seconds": -1}],
        [{"answered": 1, "seconds": float("nan")}],
        [{"answered": "1", "seconds": 1}],
        [{"answered": 1, "seconds": 1, "stages": 3}],
        [{"answered": 1, "seconds": 1, "stages": {"decode": None}}],
        [{"answered": 1, "seconds": 1, "progress": 7}],
        [{"answered": 1, "seconds": 1, "progress": [[1]]}],
        [{"answered": 1, "seconds": 1, "progress": [[1, -1]]}],
    ],
)
def test_a_record_of_speed_of_another_form_is_one_line(efforts: Any, tmp_path: Path) -> None:
    run = _with_efforts(run_of(tmp_path, "pope", [said("Yes")]), efforts)
    with pytest.raises(RunError, match=r"run\.json: efforts: .* must be"):
        throughput(run)


def _with_efforts(run: TaskRun, efforts: Any) -> TaskRun:
    return dataclasses.replace(
        run, side=dataclasses.replace(run.side, run={**run.side.run, "efforts": efforts})
    )


def test_reasons_of_failed_requests_are_counted(tmp_path: Path) -> None:
    answers = [failed("timeout"), failed("broken"), failed("timeout"), said("Yes")]
    run = run_of(tmp_path, "pope", answers)
    assert list(failure_reasons(run).items()) == [("timeout", 2), ("broken", 1)]
