import json

import pytest

from llava_eval.engines import EngineSettings
from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import RunError, UsageError
from llava_eval.records import Prediction
from llava_eval.runner import Nobody, evaluate, run_task
from llava_eval.samples import read_samples
from llava_eval.task import load_task

POPE = load_task("pope")


class Counting(ReplayEngine):
    """The replay engine, remembering what it was asked."""

    def generate(self, requests):
        self.asked = [request.id for request in requests]
        return super().generate(requests)


@pytest.fixture
def data(write_jsonl, pope_rows):
    return read_samples(POPE, str(write_jsonl("rows.jsonl", pope_rows)))


def answers(data, wrong=()):
    return {
        s.id: Prediction(s.id, "Yes" if (s.references[0] == "yes") != (s.id in wrong) else "No")
        for s in data.samples
    }


def run(data, engine, folder, retry=False):
    return run_task(POPE, data, engine, "replay", folder, retry, Nobody())


def test_a_run_answers_scores_and_writes_four_files(tmp_path, data):
    result = run(data, ReplayEngine(answers(data, wrong=("3",)), "answers"), tmp_path)
    assert result.metrics["accuracy"].value == pytest.approx(100 * (1 + 1 + 3 / 4) / 3)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "rows.jsonl") == [
        "predictions.jsonl",
        "result.json",
        "run.json",
        "run.lock",
        "scores.jsonl",
    ]


def test_a_run_that_was_cut_off_asks_only_what_is_missing(tmp_path, data):
    run(data, ReplayEngine(answers(data), "answers"), tmp_path / "run")
    path = tmp_path / "run" / "predictions.jsonl"
    whole = (tmp_path / "run" / "result.json").read_bytes()
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:7]) + '{"id": "7", "te')
    engine = Counting(answers(data), "answers")
    run(data, engine, tmp_path / "run")
    assert engine.asked == ["7", "8", "9", "10", "11"]
    assert (tmp_path / "run" / "result.json").read_bytes() == whole


def test_an_engine_that_fails_again_and_again_stops_the_run_and_keeps_the_rest(tmp_path, data):
    some = {key: value for key, value in answers(data).items() if int(key) < 4}
    with pytest.raises(RunError, match=r"3 failed batches in a row: 3 x .no answer re"):
        run(data, ReplayEngine(some, "answers"), tmp_path / "run")
    lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] != "" for line in lines] == [True] * 4 + [False] * 3


def test_what_failed_is_asked_again_on_request(tmp_path, data):
    some = {key: value for key, value in answers(data).items() if key != "5"}
    first = run(data, ReplayEngine(some, "answers"), tmp_path / "run")
    assert (first.failed, first.complete) == (1, False)
    engine = Counting(answers(data), "answers")
    assert run(data, engine, tmp_path / "run", retry=True).failed == 0
    assert engine.asked == ["5"]


def test_a_failed_sample_is_counted_and_not_scored_as_wrong(tmp_path, data):
    some = {key: value for key, value in answers(data).items() if key != "5"}
    result = run(data, ReplayEngine(some, "answers"), tmp_path / "run")
    assert result.metrics["accuracy"].value == 100
    assert result.metrics["accuracy"].n == 11


def test_evaluate_returns_results_in_the_order_of_the_tasks(tmp_path, data, write_jsonl):
    lines = [{"id": p.id, "prediction": p.text} for p in answers(data).values()]
    results = evaluate(
        str(write_jsonl("answers.jsonl", lines)),
        ["pope"],
        data=data.source,
        out=tmp_path / "out",
        settings=EngineSettings("", engine="replay"),
    )
    assert [(r.task, r.headline.value) for r in results] == [("pope", 100.0)]


def test_nothing_is_loaded_for_a_task_that_does_not_exist(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'pope'"):
        evaluate("demo", ["popes"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_in_which_everything_fails_says_why(tmp_path, write_jsonl, pope_rows):
    data = read_samples(POPE, str(write_jsonl("two.jsonl", pope_rows[:2])))
    with pytest.raises(RunError, match=r"all 2 requests failed: 2 x .no answer recorded"):
        run(data, ReplayEngine({}, "answers"), tmp_path / "run")


@pytest.mark.parametrize("tasks", ["pope", " pope , ", ["pope"], ["pope", "pope"], "pope,pope"])
def test_tasks_may_be_given_as_text_or_list(tmp_path, data, write_jsonl, tasks):
    lines = [{"id": p.id, "prediction": p.text} for p in answers(data).values()]
    results = evaluate(
        write_jsonl("answers.jsonl", lines),
        tasks,
        data=data.source,
        out=tmp_path / "out",
        settings=EngineSettings("", engine="replay"),
    )
    assert [result.task for result in results] == ["pope"]


def test_what_answering_took_is_kept_beside_the_run(tmp_path, data):
    class Timed(ReplayEngine):
        def performance(self):
            return {"stages": {"prefix": 2.0}, "peak_memory_bytes": 5}

    run(data, Timed(answers(data), "answers"), tmp_path / "run")
    run(data, Timed(answers(data), "answers"), tmp_path / "run")  # nothing left to answer
    (effort,) = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["efforts"]
    assert effort["answered"] == len(data.samples)
    assert effort["stages"] == {"prefix": 2.0}
    assert effort["peak_memory_bytes"] == 5
    assert effort["progress"][-1][1] == len(data.samples)
