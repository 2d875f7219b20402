import numpy as np
import pytest

from llava_eval.stats import bootstrap, cluster_totals, mean_estimate


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


def test_a_figure_that_no_draw_has_is_an_estimate_without_an_interval():
    def only_in_the_data(sums):
        return sums[..., :1] if sums.ndim == 1 else np.full((len(sums), 1), np.nan)

    estimate = bootstrap(np.eye(2), only_in_the_data, replicates=3).estimate((0,), 2)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, None, None)


def test_each_stratum_is_drawn_by_itself():
    totals = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    estimate = bootstrap(totals, lambda sums: sums, strata=["a", "b", "b"])
    assert estimate.low.tolist() == estimate.high.tolist() == [1.0, 2.0]


def test_a_clustered_mean_agrees_with_the_bootstrap():
    rng = np.random.default_rng(0)
    clusters = [str(number // 5) for number in range(2000)]
    values = np.repeat(rng.random(400), 5) > rng.random(2000)
    estimate = mean_estimate(values.astype(float), clusters)
    drawn = bootstrap(cluster_totals(clusters, values.astype(int).tolist(), 2), mean)
    half = (estimate.high - estimate.low) / 2
    assert half == pytest.approx(100 * float(drawn.high - drawn.low) / 2, rel=0.06)


def test_one_cluster_has_no_interval():
    assert mean_estimate([1.0, 0.0], ["a", "a"]).low is None
