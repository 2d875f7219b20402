import numpy as np
import pytest

from llava_eval.stats import bootstrap, cluster_totals


def test_samples_are_counted_by_cluster_and_cell():
    totals = cluster_totals(["b", "a", "b"], [0, 1, 0], 2)
    assert totals.tolist() == [[0, 1], [2, 0]]


def test_a_sample_without_a_cluster_stands_alone():
    assert cluster_totals(["", "", "a"], [0, 0, 0], 1).tolist() == [[1], [1], [1]]


def mean(totals):
    return totals[..., 1] / totals.sum(axis=-1)


def spread(totals):
    estimate = bootstrap(totals, mean)
    return float(estimate.high - estimate.low)


def test_the_interval_of_a_proportion_has_the_width_that_theory_gives():
    totals = np.tile([[1.0, 0.0], [0.0, 1.0]], (500, 1))
    assert spread(totals) == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 1000), rel=0.08)


def test_answers_that_go_together_within_an_image_widen_the_interval():
    alone = np.tile([[1.0, 0.0], [0.0, 1.0]], (500, 1))
    together = np.tile([[10.0, 0.0], [0.0, 10.0]], (50, 1))
    assert spread(together) == pytest.approx(spread(alone) * np.sqrt(10), rel=0.12)


def test_the_same_seed_gives_the_same_interval():
    totals = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1))
    assert bootstrap(totals, mean).low == bootstrap(totals, mean).low


def test_an_undefined_figure_is_an_estimate_without_numbers():
    estimate = bootstrap(np.zeros((3, 2)), lambda totals: np.full(totals.shape, np.nan))
    assert estimate.estimate((0,), 3).value is None
