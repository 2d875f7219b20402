import random

import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from llava_eval.errors import DataError
from llava_eval.records import Prediction, Sample
from llava_eval.scorers.base import score_sample
from llava_eval.scorers.yes_no import POPE

CATEGORIES = ("adversarial", "popular", "random")


def pope_scores(seed=0, n=300):
    rng = random.Random(seed)
    scores = []
    for number in range(n):
        sample = Sample(
            id=str(number),
            question="?",
            references=(rng.choice(["yes", "no"]),),
            groups={"category": rng.choice(CATEGORIES)},
            cluster=str(number // 6),
        )
        scores.append(
            score_sample(POPE, sample, Prediction(str(number), rng.choice(["Yes", "No"])))
        )
    return scores


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    ("metric", "reference"),
    [("f1", f1_score), ("precision", precision_score), ("recall", recall_score)],
)
def test_each_category_agrees_with_scikit_learn(category, metric, reference):
    scores = pope_scores()
    mine = [s for s in scores if s.sample.groups["category"] == category]
    labels = [s.sample.references[0] == "yes" for s in mine]
    answers = [s.parsed == "yes" for s in mine]
    figure = POPE.summarize(scores).groups[category][metric]
    assert figure.value == pytest.approx(100 * reference(labels, answers), abs=1e-12)


def test_the_headline_is_the_unweighted_mean_of_the_categories():
    summary = POPE.summarize(pope_scores())
    mean = sum(group["f1"].value for group in summary.groups.values()) / 3
    assert summary.metrics["f1"].value == pytest.approx(mean, abs=1e-12)


def test_the_order_of_the_rows_moves_nothing():
    scores = pope_scores()
    assert POPE.summarize(scores) == POPE.summarize(scores[::-1])


def test_precision_is_undefined_for_a_model_that_never_says_yes():
    samples = [
        Sample(str(i), "?", references=("yes",), groups={"category": "random"}, cluster=str(i))
        for i in range(4)
    ]
    scores = [score_sample(POPE, s, Prediction(s.id, "No")) for s in samples]
    assert POPE.summarize(scores).metrics["precision"].value is None


def test_the_interval_holds_the_value():
    f1 = POPE.summarize(pope_scores()).metrics["f1"]
    assert f1.low < f1.value < f1.high


def test_a_failed_prediction_has_no_value():
    sample = Sample("1", "?", references=("yes",), groups={"category": "random"})
    score = score_sample(POPE, sample, Prediction("1", "", "error", "no image"))
    assert (score.value, score.status) == (None, "failed")


@pytest.mark.parametrize("references", [(), ("Yes",), ("yes", "no"), ("maybe",)])
def test_a_label_other_than_yes_or_no_is_refused(references):
    with pytest.raises(DataError, match="must be 'yes' or 'no'"):
        POPE.check(Sample("1", "?", references=references, groups={"category": "random"}))
