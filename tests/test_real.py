"""LLaVA-1.5-13B's own answers, where they are at hand: other people's data, never committed."""

import json
from pathlib import Path

import pytest

import llava_eval
from llava_eval.prompts import build_request

REAL = Path(__file__).resolve().parents[2] / "shared" / "real" / "playground" / "data" / "eval"

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the real answers are not at hand")


def score(task, answers, grades=None):
    loaded = llava_eval.load_task(task)
    data = llava_eval.read_samples(loaded, str(REAL))
    predictions = llava_eval.load_predictions(REAL / answers, loaded, data)
    return llava_eval.score_predictions(loaded, data, predictions, grades)[1]


def test_pope_gives_the_papers_number():
    result = score("pope", "pope/answers/llava-v1.5-13b.jsonl")
    f1 = {name: group["f1"].value / 100 for name, group in result.groups.items()}
    assert f1 == pytest.approx(
        {"adversarial": 0.8445873526, "popular": 0.8624589566, "random": 0.8713601180}, abs=5e-11
    )
    assert result.headline.value / 100 == pytest.approx(0.8594688091, abs=5e-11)
    assert result.complete


def test_llava_bench_gives_the_first_of_the_papers_three_runs():
    folder = REAL / "llava-bench-in-the-wild"
    text = (folder / "reviews" / "llava-v1.5-13b-eval1.jsonl").read_text(encoding="utf-8")
    reviews = [json.loads(line) for line in text.splitlines()]
    grades = {str(review["question_id"]): (review["content"],) for review in reviews}
    result = score("llava_bench", "llava-bench-in-the-wild/answers/llava-v1.5-13b.jsonl", grades)
    assert {name: note.split()[0] for name, note in result.notes.items()} == {
        "official: all": "72.8",
        "official: complex": "82.8",
        "official: conv": "74.7",
        "official: detail": "52.6",
        "judge": "60",  # replies
    }
    model, reference = (sum(review["tuple"][side] for review in reviews) for side in (1, 0))
    assert result.headline.value == pytest.approx(100 * model / reference, abs=1e-12)
    assert result.complete


def test_scienceqa_gives_the_papers_number():
    result = score("scienceqa", "scienceqa/answers/llava-v1.5-13b.jsonl")
    assert result.metrics["image_accuracy"].value == pytest.approx(71.64105106593951, abs=1e-12)
    assert result.metrics["accuracy"].value == pytest.approx(74.39283187927376, abs=1e-12)
    assert (result.metrics["image_accuracy"].n, result.unparsed, result.complete) == (2017, 5, True)


def test_every_prompt_of_scienceqa_is_the_one_that_llava_saved():
    task = llava_eval.load_task("scienceqa")
    text = (REAL / "scienceqa/answers/llava-v1.5-13b.jsonl").read_text(encoding="utf-8")
    saved = {row["question_id"]: row["prompt"] for row in map(json.loads, text.splitlines())}
    samples = llava_eval.read_samples(task, str(REAL)).samples
    place = {True: "<image>\n", False: ""}
    asked = {s.id: place[bool(s.images)] + build_request(task, s).text for s in samples}
    assert asked == saved
