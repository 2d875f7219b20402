import dataclasses
import json
from itertools import pairwise

import pytest

from llava_eval.cli import main
from llava_eval.engines import EngineSettings
from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import UsageError
from llava_eval.records import Prediction
from llava_eval.runner import Nobody, evaluate, run_task
from llava_eval.samples import draw, read_samples, shuffled_clusters
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task
from llava_eval.until import draw_sizes, growing_draws
from tests.conftest import pope_row

POPE = load_task("pope")


class Counting(ReplayEngine):
    """The replay engine, remembering what it was asked."""

    def __init__(self, answers):
        super().__init__(answers, "answers")
        self.asked = []

    def generate(self, requests):
        self.asked += [request.id for request in requests]
        return super().generate(requests)


@pytest.fixture
def data(write_jsonl):
    """1,200 questions about 200 images, six an image, two of each category."""
    rows = [
        pope_row(n, image_source=f"scene_{n // 6}", category=("a", "b", "c")[n % 6 // 2])
        for n in range(1200)
    ]
    return read_samples(POPE, str(write_jsonl("rows.jsonl", rows)))


@pytest.fixture
def answers(data):
    """Right but for every seventh."""
    return {
        s.id: Prediction(s.id, "Yes" if (s.references[0] == "yes") != (i % 7 == 0) else "No")
        for i, s in enumerate(data.samples)
    }


def run(data, engine, folder, until=None):
    return run_task(POPE, data, engine, "replay", folder, False, Nobody(), until)


def half_width(result):
    figure = result.headline
    return max(figure.high - figure.value, figure.value - figure.low)


def test_a_run_stops_when_the_interval_is_narrow_enough(tmp_path, data, answers):
    engine = Counting(answers)
    result = run(data, engine, tmp_path / "run", until=2.5)
    assert half_width(result) <= 2.5
    assert result.n == len(engine.asked) < result.full_n == 1200
    assert (result.drawn, result.complete) == (True, False)


def test_the_look_before_was_not_narrow_enough(tmp_path, data, answers):
    result = run(data, Counting(answers), tmp_path / "run", until=2.5)
    sizes = draw_sizes(200)
    before = list(growing_draws(data, set()))[sizes.index(result.clusters) - 1]
    known = {sample.id: answers[sample.id] for sample in before.samples}
    assert half_width(score_predictions(POPE, before, known)[1]) > 2.5


def test_whole_images_are_asked(tmp_path, data, answers):
    engine = Counting(answers)
    result = run(data, engine, tmp_path / "run", until=2.5)
    assert len({int(name) // 6 for name in engine.asked}) == result.clusters
    assert len(engine.asked) == 6 * result.clusters


def test_a_width_that_is_never_reached_asks_everything(tmp_path, data, answers):
    result = run(data, Counting(answers), tmp_path / "run", until=0.001)
    whole = run(data, Counting(answers), tmp_path / "whole")
    assert result == whole
    assert not result.drawn


def test_a_run_that_was_cut_off_goes_on_to_the_same_result(tmp_path, data, answers):
    engine = Counting(answers)
    whole = run(data, engine, tmp_path / "run", until=2.5)
    path = tmp_path / "run" / "predictions.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:300]))
    again = Counting(answers)
    assert run(data, again, tmp_path / "run", until=2.5) == whole
    assert engine.asked[300:] == again.asked


def test_a_run_that_stopped_can_go_on_to_a_finer_width_and_to_the_end(tmp_path, data, answers):
    engine = Counting(answers)
    first = run(data, engine, tmp_path / "run", until=3.0)
    finer = run(data, engine, tmp_path / "run", until=2.0)
    whole = run(data, engine, tmp_path / "run")
    assert first.n < finer.n < whole.n == 1200
    assert len(engine.asked) == len(set(engine.asked)) == 1200
    # What is there already is used, whatever width is asked for afterwards.
    assert run(data, engine, tmp_path / "run", until=3.0) == whole


def test_the_interval_of_a_draw_leaves_out_what_is_known(data, answers):
    part = draw(data, 900)
    known = {sample.id: answers[sample.id] for sample in part.samples}
    narrow = score_predictions(POPE, part, known)[1].headline
    alone = dataclasses.replace(part, drawn=False, full_n=0, full_clusters=0)
    wide = score_predictions(POPE, alone, known)[1].headline
    assert narrow.value == wide.value
    assert narrow.error == pytest.approx(wide.error / 2)  # a quarter of the images is left
    assert narrow.high - narrow.low == pytest.approx((wide.high - wide.low) / 2)


def test_a_figure_that_grows_with_the_number_of_questions_says_nothing_of_the_full_set():
    task = load_task("gqa")
    full = read_samples(task, "mini")
    for data, known in ((full, True), (draw(full, 60), False)):
        given = {sample.id: Prediction(sample.id, "red") for sample in data.samples}
        figure = score_predictions(task, data, given)[1].metrics["distribution"]
        assert (figure.error is not None) == (figure.low is not None) == known


def test_every_draw_holds_the_one_before(data):
    draws = [{s.id for s in part.samples} for part in growing_draws(data, set())]
    assert all(small < large for small, large in pairwise(draws))
    assert len(draws[-1]) == 1200


def test_limit_and_until_take_clusters_in_the_same_order(data):
    first = next(growing_draws(data, set()))
    assert first == draw(data, len(first.samples))
    assert shuffled_clusters(data, 1) != shuffled_clusters(data, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "pope", "until": 1.0, "limit": 50}, "--until and --limit: both"),
        ({"tasks": "pope", "until": 0.0}, "--until 0: must be more than 0"),
        ({"tasks": "pope", "until": float("nan")}, "--until nan: must be more than 0"),
        ({"tasks": "pope,mmvet", "until": 1.0}, "mmvet is graded by a judge afterwards"),
    ],
)
def test_what_cannot_be_had_is_a_wrong_command_line(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        evaluate("demo", data="mini", out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_the_console_says_what_was_saved(tmp_path, data, answers, write_jsonl, capsys):
    lines = [{"id": p.id, "prediction": p.text} for p in answers.values()]
    model = str(write_jsonl("answers.jsonl", lines))
    out = ["--out", str(tmp_path / "out"), "--engine", "replay"]
    command = ["run", "--model", model, "--tasks", "pope", "--data", data.source, *out]
    assert main([*command, "--until", "2.5"]) == 0
    result = json.loads((tmp_path / "out" / "pope" / "result.json").read_text())
    share = f"{result['n'] / 12:.1f} %"
    said = f"asked {result['n']} of 1,200 questions, {share}; the intervals are for all of them"
    assert said in capsys.readouterr().out


def test_rows_without_references_are_refused_before_the_model_is_loaded(tmp_path, write_jsonl):
    row = {"question": "?", "answers": [""] * 10, "image_id": "a", "ocr_tokens": []}
    rows = write_jsonl("rows.jsonl", [row | {"question_id": n} for n in range(4)])
    with pytest.raises(UsageError, match=r"textvqa: the rows of .* have no references"):
        evaluate(tmp_path / "no model", "textvqa", data=str(rows), until=1.0)


def test_evaluate_passes_the_width_on(tmp_path, data, answers, write_jsonl):
    lines = [{"id": p.id, "prediction": p.text} for p in answers.values()]
    [result] = evaluate(
        write_jsonl("answers.jsonl", lines),
        "pope",
        data=data.source,
        out=tmp_path / "out",
        settings=EngineSettings("", engine="replay"),
        until=2.5,
    )
    assert result.drawn
