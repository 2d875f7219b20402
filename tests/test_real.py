"""LLaVA-1.5-13B's own answers, where they are at hand: other people's data, never committed."""

from pathlib import Path

import pytest

import llava_eval

REAL = Path(__file__).resolve().parents[2] / "shared" / "real" / "playground" / "data" / "eval"

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the real answers are not at hand")


def score(task, answers):
    loaded = llava_eval.load_task(task)
    data = llava_eval.read_samples(loaded, str(REAL))
    predictions = llava_eval.load_predictions(REAL / answers, loaded, data)
    return llava_eval.score_predictions(loaded, data, predictions)[1]


def test_pope_gives_the_papers_number():
    result = score("pope", "pope/answers/llava-v1.5-13b.jsonl")
    f1 = {name: group["f1"].value / 100 for name, group in result.groups.items()}
    assert f1 == pytest.approx(
        {"adversarial": 0.8445873526, "popular": 0.8624589566, "random": 0.8713601180}, abs=5e-11
    )
    assert result.headline.value / 100 == pytest.approx(0.8594688091, abs=5e-11)
    assert result.complete
