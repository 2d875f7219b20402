"""Samples and tasks that fail: when a run stops, what goes on, and between what the score lies."""

import dataclasses

import pytest

from llava_eval.cli import main
from llava_eval.console import result_table
from llava_eval.engines import EngineSettings
from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import DataError, RunError, UnfinishedError, UsageError
from llava_eval.failures import PLAINLY_BROKEN, FailureCount, read_limit
from llava_eval.leaderboard import FORMATS, build_leaderboard
from llava_eval.records import Bounds, Prediction
from llava_eval.runner import Nobody, evaluate, run_task
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.store import read_json, result_from_json
from llava_eval.task import load_task
from tests.conftest import pope_row

POPE = load_task("pope")


def failed(name, reason="no image"):
    return Prediction(str(name), "", "error", reason)


def right(sample):
    return Prediction(sample.id, sample.references[0])


@pytest.mark.parametrize(
    ("text", "rows", "allowed"),
    [
        (None, 60, 10),
        (None, 1_000, 10),
        (None, 8_910, 89),
        (None, 107_394, 1_073),
        ("0", 8_910, 0),
        (0, 8_910, 0),
        ("25", 60, 25),
        ("2%", 60, 1),
        ("2 %", 8_910, 178),
        ("0%", 60, 0),
        ("0.5%", 1_000, 5),
        ("29%", 100, 29),  # 0.29 * 100 is 28.999999999999996
        ("7%", 100, 7),  # 0.07 * 100 is 7.000000000000001
        ("100%", 60, 60),
    ],
)
def test_so_many_samples_may_fail(text, rows, allowed):
    assert read_limit(text).allowed(rows) == allowed


@pytest.mark.parametrize("text", ["", "-1", "a few", "101%", "1e3", "%", "nan", "٣", "1.5"])
def test_what_is_neither_a_number_nor_a_share_is_refused(text):
    with pytest.raises(UsageError, match="--max-failures"):
        read_limit(text)


def test_a_run_stops_at_the_first_failure_too_many_and_gives_the_reasons(tmp_path):
    count = FailureCount(read_limit("2"), 100, tmp_path)
    count.add([failed(1, "a"), Prediction("2", "Yes"), failed(3, "b")])
    with pytest.raises(RunError) as error:
        count.add([Prediction("4", "Yes"), failed(5, "b")])
    assert str(error.value) == (
        f"{tmp_path}: stopped after 3 of 100 samples failed, 2 may (--max-failures): 2 x 'b'; "
        "1 x 'a'; put it right and run the same command with --retry-failed"
    )


def test_three_failed_batches_in_a_row_stop_a_run_and_two_do_not(tmp_path):
    count, good = FailureCount(PLAINLY_BROKEN, 9_000, tmp_path), [Prediction("0", "Yes")]
    for batch in ([failed(1)], [failed(2)], good, [failed(3)], [failed(4)]):
        count.add(batch)
    with pytest.raises(RunError, match=r"after 3 failed batches in a row: 5 x 'no image'"):
        count.add([failed(5)])


def test_a_limit_of_ones_own_takes_the_place_of_the_batches_in_a_row(tmp_path):
    count = FailureCount(read_limit("100%"), 9_000, tmp_path)
    for number in range(100):
        count.add([failed(number)])


@pytest.fixture
def data(write_jsonl):
    rows = [pope_row(number) for number in range(60)]
    return read_samples(POPE, str(write_jsonl("rows.jsonl", rows)))


def run(data, folder, bad, **limit):
    answers = {s.id: failed(s.id) if int(s.id) in bad else right(s) for s in data.samples}
    engine = ReplayEngine(answers, "answers")
    limits = {name: read_limit(text) for name, text in limit.items()}
    return run_task(POPE, data, engine, "replay", folder, False, Nobody(), None, **limits)


def test_ten_failed_samples_are_borne_and_eleven_are_not(tmp_path, data):
    every_fourth = list(range(0, 60, 4))
    assert run(data, tmp_path / "ten", every_fourth[:10]).failed == 10
    with pytest.raises(RunError, match=r"11 of 60 samples failed, 10 may \(--max-failures\)"):
        run(data, tmp_path / "eleven", every_fourth[:11])
    lines = (tmp_path / "eleven/predictions.jsonl").read_text().splitlines()
    assert len(lines) == every_fourth[10] + 1
    assert not (tmp_path / "eleven/result.json").exists()


def test_no_failure_may_be_allowed_or_all_of_them(tmp_path, data):
    with pytest.raises(RunError, match="1 of 60 samples failed, 0 may"):
        run(data, tmp_path / "none", [30], failure_limit="0")
    assert run(data, tmp_path / "all", range(1, 60), failure_limit="100%").failed == 59


def test_what_failed_before_counts_until_it_is_asked_again(tmp_path, data):
    with pytest.raises(RunError):
        run(data, tmp_path, range(0, 60, 4))
    with pytest.raises(RunError, match="with --retry-failed"):
        run(data, tmp_path, [])
    engine = ReplayEngine({s.id: right(s) for s in data.samples}, "answers")
    result = run_task(POPE, data, engine, "replay", tmp_path, True, Nobody())
    assert (result.failed, result.missing) == (0, 0)


# Bounds


def scored(task, rows, answers, write_jsonl):
    """Score rows; None for a failed answer, no entry for a missing one."""
    data = read_samples(task, str(write_jsonl("rows.jsonl", rows)))
    predictions = {
        name: failed(name) if text is None else Prediction(name, text)
        for name, text in answers.items()
    }
    return score_predictions(task, data, predictions)[1]


def test_the_bounds_of_f1_are_those_of_the_worst_and_the_best_answers(write_jsonl):
    labels = ["yes", "yes", "yes", "no", "yes", "no"]
    rows = [pope_row(i, answer=label, category="random") for i, label in enumerate(labels)]
    answers = {"0": "Yes", "1": "Yes", "2": "No", "3": "Yes", "4": None}  # "5" is missing
    result = scored(POPE, rows, answers, write_jsonl)
    # Of those answered: tp 2, fn 1, fp 1. The other two wrong: fn 2, fp 2. Right: tp 3, tn 1.
    assert result.headline.value == pytest.approx(100 * 4 / 6)
    assert result.bounds.low == pytest.approx(100 * 4 / 8)
    assert result.bounds.high == pytest.approx(100 * 6 / 8)


def test_a_wrong_answer_to_no_is_a_false_positive(write_jsonl):
    card = dataclasses.replace(POPE, primary="precision")
    rows = [pope_row(i, answer=label, category="random") for i, label in enumerate(["no", "yes"])]
    result = scored(card, rows, {"0": None, "1": "Yes"}, write_jsonl)
    assert (result.bounds.low, result.bounds.high) == (50.0, 100.0)


def test_a_share_of_yes_has_no_bounds_and_says_why(write_jsonl):
    card = dataclasses.replace(POPE, primary="yes_ratio")
    rows = [pope_row(i, category="random") for i in range(2)]
    bounds = scored(card, rows, {"0": None, "1": "Yes"}, write_jsonl).bounds
    reason = "yes_ratio does not rise with the number of right answers"
    assert bounds == Bounds(None, None, reason)


def test_a_circle_with_a_failed_rotation_is_wrong_at_worst_and_right_at_best():
    task = load_task("mmbench")
    data = read_samples(task, "mini")
    circle = data.samples[0].cluster
    answers = {s.id: right(s) for s in data.samples}
    victim = next(s.id for s in data.samples if s.cluster == circle)
    result = score_predictions(task, data, answers | {victim: failed(victim)})[1]
    circles = len({s.cluster for s in data.samples})
    assert (result.headline.value, result.headline.n) == (100.0, circles - 1)
    assert result.bounds.low == pytest.approx(100 * (circles - 1) / circles)
    assert result.bounds.high == 100.0


@pytest.mark.parametrize(
    "task", ["vqav2", "gqa", "vizwiz", "scienceqa", "textvqa", "mme", "mmbench", "seedbench"]
)
def test_the_score_of_any_answers_lies_between_the_bounds(task):
    card = load_task(task)
    data = read_samples(card, "mini")
    answers = {
        s.id: Prediction(s.id, "???" if place % 3 else s.references[0])
        for place, s in enumerate(data.samples)
    }
    lost = {s.id: failed(s.id) for s in data.samples[::5]}
    bounds = score_predictions(card, data, answers | lost)[1].bounds
    whole = score_predictions(card, data, answers)[1].headline.value
    all_right = {name: right(s) for s in data.samples if (name := s.id) in lost}
    best = score_predictions(card, data, answers | all_right)[1].headline.value
    wrong = {name: Prediction(name, "???") for name in lost}
    worst = score_predictions(card, data, answers | wrong)[1].headline.value
    assert bounds.low == pytest.approx(worst)
    assert bounds.low <= whole <= best <= bounds.high + 1e-9


def test_a_result_of_which_every_row_has_an_answer_has_no_bounds(tmp_path, data):
    assert run(data, tmp_path, []).bounds is None


def test_a_judged_score_has_no_bounds_and_says_why():
    task = load_task("mmvet")
    data = read_samples(task, "mini")
    answers = {s.id: Prediction(s.id, "a word") for s in data.samples[1:]}
    result = score_predictions(task, data, answers)[1]
    assert result.bounds == Bounds(None, None, "a judge grades the answers")


def test_the_bounds_stand_in_the_file_the_table_and_the_leaderboard(tmp_path, data):
    result = run(data, tmp_path / "run", [0, 20, 40])
    text = "if the 3 without an answer are all wrong, 100.0 if all right"
    assert result.headline.value == 100
    assert read_json(tmp_path / "run/result.json")["bounds"] == {
        "low": result.bounds.low,
        "high": 100.0,
        "reason": "",
    }
    assert f"f1: {result.bounds.low:.1f} {text}" in result_table(result)
    table = FORMATS["text"](build_leaderboard([tmp_path / "run"], ranked=False))
    assert f"{result.bounds.low:.1f} {text}" in table
    stored = result_from_json(read_json(tmp_path / "run/result.json"), "")
    assert stored.bounds == result.bounds


# Tasks


@pytest.fixture
def folders(tmp_path, write_jsonl):
    """Return the arguments for three tasks, all answers right; ids are numbers in every task."""
    lines = {}
    for name in ("textvqa", "pope", "gqa"):
        for sample in read_samples(load_task(name), "mini").samples:
            lines.setdefault(sample.id, {"id": sample.id, "prediction": sample.references[0]})
    write_jsonl("answers.jsonl", list(lines.values()))
    return tmp_path


def evaluate_three(folders, **changes):
    return evaluate(
        folders / "answers.jsonl",
        "textvqa,pope,gqa",
        out=folders / "out",
        settings=EngineSettings("", engine="replay"),
        **{"data": "mini", "max_failures": "100%", **changes},
    )


def broken_folder(out):
    (out / "pope").mkdir(parents=True)
    (out / "pope/predictions.jsonl").write_text('{"id": "1", "text": "Yes"}\n')


def test_a_task_that_fails_does_not_take_the_others_along(folders):
    broken_folder(folders / "out")
    with pytest.raises(UnfinishedError) as error:
        evaluate_three(folders)
    assert [result.task for result in error.value.results] == ["textvqa", "gqa"]
    assert list(error.value.failures) == ["pope"]
    assert "whose answers they are is not known" in str(error.value)
    assert "2 tasks have results, but not all finished: pope: " in str(error.value)
    for name in ("textvqa", "gqa"):
        assert (folders / "out" / name / "result.json").exists()


def test_data_that_cannot_be_read_is_told_at_once_and_the_other_tasks_are_run(folders):
    told = []

    class Watching(Nobody):
        def start(self, plan):
            told.append(plan.task.name)

        def fail(self, name, error):
            told.append((name, type(error)))

    with pytest.raises(UnfinishedError) as error:
        evaluate_three(
            folders, data=str(load_task("pope").home / "mini/pope.parquet"), watcher=Watching()
        )
    assert told == [("textvqa", DataError), ("gqa", DataError), "pope"]
    assert [result.task for result in error.value.results] == ["pope"]


def test_one_task_alone_fails_with_its_own_error(folders):
    broken_folder(folders / "out")
    with pytest.raises(RunError, match="is not known") as error:
        evaluate(
            folders / "answers.jsonl",
            "pope",
            data="mini",
            out=folders / "out",
            settings=EngineSettings("", engine="replay"),
        )
    assert not isinstance(error.value, UnfinishedError)


def test_a_wrong_command_is_refused_before_anything_is_computed(folders):
    with pytest.raises(UsageError):
        evaluate_three(folders, max_failures="many")
    with pytest.raises(UsageError):
        evaluate(folders / "answers.jsonl", "textvqa,popes", data="mini", out=folders / "out")
    assert not (folders / "out").exists()


def test_the_table_covers_what_finished_and_the_exit_code_says_that_something_did_not(
    folders, capsys
):
    broken_folder(folders / "out")
    arguments = ["run", "--model", str(folders / "answers.jsonl"), "--engine", "replay"]
    arguments += ["--tasks", "textvqa,pope,gqa", "--data", "mini", "--out", str(folders / "out")]
    assert main([*arguments, "--max-failures", "100%"]) == 1
    shown = capsys.readouterr()
    table = shown.out[shown.out.rindex("model ") :].splitlines()[0]
    assert "TextVQA" in table
    assert "GQA" in table
    assert [line for line in shown.err.splitlines() if "did not finish" in line] == [
        f"llava-eval: pope did not finish: {folders}/out/pope: has predictions.jsonl but no "
        "run.json, so whose answers they are is not known; give another folder with --out"
    ]


def test_a_result_is_on_disk_before_the_next_task_begins(folders):
    seen = {}

    class Looking(Nobody):
        def start(self, plan):
            seen[plan.task.name] = sorted(
                path.parent.name for path in (folders / "out").glob("*/result.json")
            )

    evaluate_three(folders, watcher=Looking())
    assert seen == {"textvqa": [], "pope": ["textvqa"], "gqa": ["pope", "textvqa"]}
