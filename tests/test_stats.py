import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from llava_eval.intervals import deviation_interval, score_interval, t_interval, t_quantile
from llava_eval.records import Estimate
from llava_eval.stats import (
    bootstrap,
    cluster_totals,
    effective_number,
    jackknife_error,
    mean_estimate,
    narrowed,
    run_spread,
    share_estimate,
)


def test_samples_are_counted_by_cluster_and_cell():
    totals = cluster_totals(["b", "a", "b"], [0, 1, 0], 2)
    assert totals.tolist() == [[0, 1], [2, 0]]


def test_a_sample_without_a_cluster_stands_alone():
    assert cluster_totals(["", "", "a"], [0, 0, 0], 1).tolist() == [[1], [1], [1]]


def mean(totals):
    return totals[..., 1] / totals.sum(axis=-1)


def spread(totals):
    return float(bootstrap(totals, mean).error)


def test_the_error_of_a_proportion_is_the_one_that_theory_gives():
    totals = np.tile([[1.0, 0.0], [0.0, 1.0]], (500, 1))
    assert spread(totals) == pytest.approx(np.sqrt(0.25 / 999), rel=0.05)


def test_answers_that_go_together_within_an_image_raise_the_error():
    alone = np.tile([[1.0, 0.0], [0.0, 1.0]], (500, 1))
    together = np.tile([[10.0, 0.0], [0.0, 10.0]], (50, 1))
    assert spread(together) == pytest.approx(spread(alone) * np.sqrt(10), rel=0.1)


def test_the_bootstrap_of_few_clusters_is_not_too_narrow():
    totals = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert spread(totals) == pytest.approx(np.std([0, 1, 1], ddof=1) / np.sqrt(3), rel=0.05)


def test_the_same_seed_gives_the_same_error():
    totals = np.tile([[1.0, 0.0], [0.0, 1.0]], (20, 1))
    assert spread(totals) == spread(totals)


def test_an_undefined_figure_is_an_estimate_without_numbers():
    estimate = bootstrap(np.zeros((3, 2)), lambda totals: np.full(totals.shape, np.nan))
    assert estimate.estimate((0,), 3) == Estimate(None, None, None, 3, None)


def test_a_figure_that_no_draw_has_is_an_estimate_without_an_interval():
    def only_in_the_data(sums):
        return sums[..., :1] if sums.ndim == 1 else np.full((len(sums), 1), np.nan)

    estimate = bootstrap(np.eye(2), only_in_the_data, replicates=3).estimate((0,), 2)
    assert (estimate.value, estimate.low, estimate.high, estimate.error) == (1.0, None, None, None)


def test_each_stratum_is_drawn_by_itself():
    totals = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    estimate = bootstrap(totals, lambda sums: sums, strata=["a", "b", "b"])
    assert estimate.error.tolist() == [0.0, 0.0]


def test_a_clustered_mean_agrees_with_the_bootstrap():
    rng = np.random.default_rng(0)
    clusters = [str(number // 5) for number in range(2000)]
    values = np.repeat(rng.random(400), 5) > rng.random(2000)
    error = mean_estimate(values.astype(float), clusters).error
    drawn = bootstrap(cluster_totals(clusters, values.astype(int).tolist(), 2), mean)
    assert error == pytest.approx(100 * float(drawn.error), rel=0.06)


@pytest.mark.parametrize("estimate", [mean_estimate, share_estimate])
def test_one_cluster_has_no_interval(estimate):
    figure = estimate([1.0, 0.0], ["a", "a"])
    assert (figure.value, figure.error, figure.low, figure.high) == (50.0, None, None, None)


def test_the_clustered_error_is_the_textbooks():
    # Residuals by cluster: a 1/4 - 3/4, b 1/4, c 1/4; 3/2 (1/4 + 1/16 + 1/16) / 16.
    figure = share_estimate([1, 0, 1, 1], ["a", "a", "b", "c"])
    assert figure.error == pytest.approx(100 * (3 / 2 * 6 / 16 / 16) ** 0.5, abs=1e-12)


def test_the_clustered_error_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    owner = np.sort(rng.integers(40, size=300))
    values = (rng.random(300) < rng.random(40)[owner]).astype(float)
    constant = sm.OLS(values, np.ones(300))
    theirs = constant.fit(cov_type="cluster", cov_kwds={"groups": owner}).bse[0]
    assert share_estimate(values, [str(n) for n in owner]).error == pytest.approx(100 * theirs)


@pytest.mark.parametrize("df", [1, 2, 3, 3.5, 5, 17, 23.7, 500])
def test_the_quantiles_of_t_are_those_of_scipy(df):
    assert t_quantile(df) == pytest.approx(scipy.stats.t.ppf(0.975, df), rel=2e-3)


@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_the_interval_of_a_standard_deviation_is_the_one_of_chi_square(n):
    expected = np.sqrt(n / scipy.stats.chi2.ppf([0.975, 0.025], n - 1))
    assert deviation_interval(1.0, n) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("right", [1, 60, 199])
def test_without_clusters_the_interval_is_wilsons(right):
    values = [1.0] * right + [0.0] * (200 - right)
    figure = share_estimate(values, [""] * 200)
    wilson = scipy.stats.binomtest(right, 200).proportion_ci(method="wilson")
    # Student's t and the n - 1 of the error widen it by less than a hundredth.
    assert figure.low / 100 == pytest.approx(wilson.low, abs=0.02 * (wilson.high - wilson.low))
    assert figure.high / 100 == pytest.approx(wilson.high, abs=0.02 * (wilson.high - wilson.low))


@pytest.mark.parametrize(("value", "side"), [(1.0, "high"), (0.0, "low")])
def test_at_the_edges_the_interval_has_a_width_and_stays_inside(value, side):
    figure = share_estimate([value] * 720, [str(number // 18) for number in range(720)])
    assert getattr(figure, side) == figure.value == 100 * value
    # As 40 images say, each right or wrong as a whole; not as 720 questions would.
    wilson = scipy.stats.binomtest(int(40 * value), 40).proportion_ci(method="wilson")
    assert figure.high - figure.low == pytest.approx(100 * (wilson.high - wilson.low), rel=0.06)


def test_one_wrong_answer_hardly_narrows_what_the_clusters_leave_open():
    clusters = [str(number // 18) for number in range(720)]
    perfect, one_wrong = (share_estimate([w, *[1.0] * 719], clusters) for w in (1.0, 0.0))
    assert 0.25 < (one_wrong.value - one_wrong.low) / (perfect.value - perfect.low) < 1


@pytest.mark.parametrize("value", [0.5, 12.0, 50.0, 99.0])
@pytest.mark.parametrize("error", [0.1, 5.0, 40.0])
def test_an_interval_holds_its_value_and_stays_inside(value, error):
    low, high = score_interval(value, error, 20, 21, 7, 100.0)
    assert 0 <= low <= value <= high <= 100


def test_clusters_that_all_say_the_same_between_the_edges_leave_nothing_open():
    figure = share_estimate([1, 0] * 30, [str(number // 2) for number in range(60)])
    assert (figure.low, figure.high) == (50.0, 50.0)


def test_few_clusters_are_worth_a_students_t():
    figure = mean_estimate([0.1, 0.3, 0.2], ["a", "b", "c"])
    low, high = scipy.stats.t.interval(0.95, 2, 20, 10 / 3**0.5)
    assert (figure.low, figure.high) == pytest.approx((low, high), rel=1e-6)


def test_the_effective_number_of_unequal_clusters_is_smaller():
    assert effective_number(np.array([5, 5, 5])) == 3
    assert effective_number(np.array([28, 1, 1])) == pytest.approx(900 / 786)


def test_the_jackknife_of_a_mean_is_the_clustered_error():
    totals = np.array([[1.0, 3.0], [2.0, 2.0], [0.0, 4.0], [4.0, 0.0]])
    values = [v for zero, one in totals.astype(int) for v in [0.0] * zero + [1.0] * one]
    error = mean_estimate(values, [str(number // 4) for number in range(16)]).error
    assert 100 * jackknife_error(totals, mean) == pytest.approx(error, rel=1e-12)


def test_a_judge_that_is_lenient_for_a_whole_run_adds_what_the_samples_cannot_show():
    rng = np.random.default_rng(0)
    lenience = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
    replies = rng.normal(0.5, 0.2, (300, 1)) + lenience + rng.normal(0, 0.05, (300, 5))
    spread = run_spread(replies)
    assert spread.variance == pytest.approx(lenience.var(ddof=1) / 5, rel=0.1)
    assert spread.df == 4


def test_runs_that_differ_by_chance_alone_add_next_to_nothing():
    rng = np.random.default_rng(1)
    replies = rng.normal(0.5, 0.2, (300, 1)) + rng.normal(0, 0.1, (300, 3))
    assert run_spread(replies).variance < 0.2 * 0.2**2 / 300


@pytest.mark.parametrize("shape", [(5, 1), (1, 4)])
def test_a_single_run_or_sample_cannot_tell_what_runs_add(shape):
    assert run_spread(np.arange(float(np.prod(shape))).reshape(shape)).variance == 0


def test_runs_that_differ_widen_an_interval_by_the_quantile_of_few_runs():
    values, names = [0.2, 0.4, 0.6, 0.8] * 50, [""] * 200
    runs = run_spread(np.array(values)[:, None] + np.array([-0.2, 0.0, 0.2]))
    figure = share_estimate(values, names, runs)
    low, high = t_interval(50.0, 100 * 0.2 / 3**0.5, 2)
    assert figure.error == pytest.approx(100 * 0.2 / 3**0.5, rel=0.02)
    assert figure.high - figure.low > 0.5 * (high - low)


def test_a_draw_of_three_quarters_halves_an_interval():
    whole = Estimate(80.0, 70.0, 86.0, 10, 4.0)
    assert narrowed(whole, 0.75) == Estimate(80.0, 75.0, 83.0, 10, 2.0)
    assert narrowed(Estimate(None, None, None, 0), 0.75).error is None
