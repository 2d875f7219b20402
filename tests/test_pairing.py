"""The paired statistics, held against scipy, statsmodels and brute force."""

import dataclasses
import itertools
import math
import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from llava_eval.bench.power import Design, found_share, simulate
from llava_eval.measure import measure
from llava_eval.pairing import holm, mcnemar, mean_difference, swap_test
from llava_eval.records import Sample, Score
from llava_eval.scorers import SCORERS
from llava_eval.scorers.paired import PAIRED, MeanMetric, Unit, mean_ledger

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
    from statsmodels.stats.multitest import multipletests

MEAN = PAIRED["textvqa"]["accuracy"]


def scores(values, clusters=None):
    names = clusters or [""] * len(values)
    return [
        Score(str(i), float(value), "", "scored", Sample(str(i), "", cluster=name))
        for i, (value, name) in enumerate(zip(values, names, strict=True))
    ]


def units(values, clusters=None):
    return MEAN.units(scores(values, clusters))


@pytest.mark.parametrize(
    ("lost", "gained"), [(0, 0), (1, 0), (8, 1), (1, 8), (5, 5), (60, 30), (700, 500), (9000, 8600)]
)
def test_mcnemar_is_scipys_and_statsmodels_exact_test(lost, gained):
    table = [[10, lost], [gained, 10]]
    assert mcnemar(lost, gained) == pytest.approx(
        statsmodels_mcnemar(table, exact=True).pvalue, rel=1e-12
    )
    if lost + gained:
        expected = scipy.stats.binomtest(lost, lost + gained).pvalue
        assert mcnemar(lost, gained) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], rel=1e-13)


@pytest.fixture
def pair():
    """Partial scores of 40 samples, as VQA accuracy gives them."""
    rng = np.random.default_rng(4)
    levels = [0.0, 0.3, 0.6, 0.9, 1.0]
    return rng.choice(levels, 40).tolist(), rng.choice(levels, 40).tolist()


def test_without_clusters_the_difference_is_that_of_a_paired_t_test(pair):
    before, after = pair
    found = mean_difference(units(before), units(after))
    expected = scipy.stats.ttest_rel(after, before)
    assert found.value == pytest.approx(100 * (np.mean(after) - np.mean(before)), rel=1e-12)
    assert found.error == pytest.approx(found.value / expected.statistic, rel=1e-12)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(
        (100 * interval.low, 100 * interval.high), rel=2e-3
    )


def test_with_clusters_the_error_is_that_of_a_regression_with_clustered_errors(pair):
    import statsmodels.api

    before, after = pair
    owner = [i // 4 for i in range(40)]
    found = mean_difference(units(before, map(str, owner)), units(after, map(str, owner)))
    change = np.subtract(after, before)
    # statsmodels multiplies by G / (G - 1) x (n - 1) / (n - k); with k = 1 that is ours.
    fit = statsmodels.api.OLS(change, np.ones(40)).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(owner)}
    )
    assert found.error == pytest.approx(100 * fit.bse[0], rel=1e-12)


def test_all_swaps_of_few_clusters_are_scipys_exact_permutation_test(pair):
    before, after = (side[:10] for side in pair)
    found, how = swap_test(mean_ledger(units(before)), mean_ledger(units(after)))
    expected = scipy.stats.permutation_test(
        (after, before),
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        n_resamples=math.inf,
    )
    assert how.startswith("all swaps of")
    assert found == pytest.approx(expected.pvalue, rel=1e-12)


def test_random_swaps_come_close_to_scipys(pair):
    before, after = pair
    found, how = swap_test(mean_ledger(units(before)), mean_ledger(units(after)))
    rng = np.random.default_rng(0)
    expected = scipy.stats.permutation_test(
        (after, before),
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        rng=rng,
    )
    assert how.startswith("10,000 random swaps")
    assert found == pytest.approx(expected.pvalue, abs=0.015)


def test_swaps_of_single_binary_samples_give_mcnemars_p():
    before, after = [1.0] * 8 + [0.0] * 4, [0.0] * 8 + [1.0] + [0.0] * 3
    p, _ = swap_test(mean_ledger(units(before)), mean_ledger(units(after)))
    found = measure(MEAN, scores(before), scores(after))
    assert p == found.mcnemar == found.p == mcnemar(8, 1)
    assert found.test == "McNemar, exact"


def test_samples_about_one_image_are_swapped_together():
    before, after = [1.0] * 12, [0.0] * 8 + [1.0] * 4
    clusters = [str(i // 4) for i in range(12)]
    alone = measure(MEAN, scores(before), scores(after))
    together = measure(MEAN, scores(before, clusters), scores(after, clusters))
    assert alone.p == mcnemar(8, 0)
    assert (together.p, together.test) == (0.5, "all swaps of 2 clusters")
    assert together.mcnemar == alone.mcnemar
    assert together.difference.error > alone.difference.error


def test_the_same_pair_gives_the_same_figures_every_time(pair):
    before, after = (scores(side) for side in pair)
    assert measure(MEAN, before, after) == measure(MEAN, before, after)


def test_the_order_of_the_rows_moves_nothing(pair):
    before, after = (scores(side) for side in pair)
    found = measure(MEAN, before, after)
    turned = measure(MEAN, before[::-1], after[::-1])
    assert turned.difference == found.difference
    assert sorted(turned.lost) == sorted(found.lost)


@pytest.mark.parametrize("name", SCORERS)
def test_every_metric_can_be_compared_or_is_left_out_on_purpose(name):
    left_out = {"gqa": {"distribution"}, "mmvet": {"run_std"}}.get(name, set())
    assert PAIRED[name].keys() == set(SCORERS[name].metrics) - left_out


def pope(rng, categories=3, images=30, each=6):
    samples = [
        Sample(str(i), "", references=("yes" if i % 2 else "no",), cluster=str(i // each),
               groups={"category": "abc"[i % categories]})
        for i in range(images * each)
    ]  # fmt: skip

    def side(right):
        texts = [
            s.references[0] if ok else {"yes": "no", "no": "yes"}[s.references[0]]
            for s, ok in zip(samples, rng.random(len(samples)) < right, strict=True)
        ]
        return [
            Score(s.id, float(text == s.references[0]), text, "scored", s)
            for s, text in zip(samples, texts, strict=True)
        ]

    return side


def test_the_error_of_a_mean_f1_difference_is_that_of_drawing_images_by_hand():
    rng = np.random.default_rng(0)
    side = pope(rng)
    before, after = side(0.9), side(0.75)
    found = measure(PAIRED["pope"]["f1"], before, after)
    draws = [_drawn_difference(rng, before, after) for _ in range(150)]
    assert found.difference.value == pytest.approx(_f1(after) - _f1(before), rel=1e-12)
    assert found.difference.error == pytest.approx(np.std(draws), rel=0.25)
    assert found.difference.low < found.difference.value < found.difference.high


def _f1(side):
    return SCORERS["pope"].summarize(side).metrics["f1"].value


def _drawn_difference(rng, before, after):
    images = sorted({score.sample.cluster for score in before})
    drawn = rng.choice(images, len(images))
    sides = [
        [
            dataclasses.replace(score, sample=dataclasses.replace(score.sample, cluster=str(place)))
            for place, image in enumerate(drawn)
            for score in of
            if score.sample.cluster == image
        ]
        for of in (before, after)
    ]
    return _f1(sides[1]) - _f1(sides[0])


def test_all_swaps_of_a_mean_f1_are_those_of_swapping_images_by_hand():
    side = pope(np.random.default_rng(1), images=5, each=12)
    before, after = side(0.95), side(0.6)
    found = measure(PAIRED["pope"]["f1"], before, after)
    moved = []
    for swapped in itertools.product([False, True], repeat=5):
        turn = [swapped[int(score.sample.cluster)] for score in before]
        sides = [
            [new if t != second else old for old, new, t in zip(before, after, turn, strict=True)]
            for second in (False, True)
        ]
        moved.append(abs(_f1(sides[1]) - _f1(sides[0])))
    observed = abs(_f1(after) - _f1(before))
    assert found.test == "all swaps of 5 clusters"
    assert found.p == np.mean([m > observed - 1e-9 for m in moved])


def test_two_sides_that_agree_are_compared_more_sharply_than_two_that_do_not():
    rng = np.random.default_rng(0)
    side = pope(rng)
    before, unlike = side(0.8), side(0.8)
    alike = [*unlike[:18], *before[18:]]
    errors = [measure(PAIRED["pope"]["f1"], before, x).difference.error for x in (alike, unlike)]
    assert errors[0] < errors[1] / 2


def test_an_undefined_figure_is_no_difference():
    side = pope(np.random.default_rng(0))(0.8)
    never = [dataclasses.replace(s, parsed="no", value=float(s.sample.references[0] == "no"))
             for s in side]  # fmt: skip
    found = measure(PAIRED["pope"]["precision"], side, never)
    assert (found.candidate, found.difference.value, found.p) == (None, None, None)


def test_circles_count_once():
    samples = [Sample(str(i + j * 1000), "", cluster=str(i)) for i in range(6) for j in range(4)]
    before = [Score(s.id, 1.0, "A", "scored", s) for s in samples]
    after = [dataclasses.replace(s, value=0.0) if s.id in ("0", "1000", "3") else s for s in before]
    metric = PAIRED["mmbench"]["accuracy"]
    assert isinstance(metric, MeanMetric)
    assert metric.units(after)[0] == Unit("0", "0", 0.0)
    found = measure(metric, before, after)
    assert (found.samples, found.lost, found.mcnemar) == (6, ("0", "3"), mcnemar(2, 0))
    assert found.difference.value == pytest.approx(-100 / 3)


@pytest.mark.parametrize("design", [Design(300, 1, 0.0), Design(150, 4, 0.5)])
def test_a_drop_of_the_detectable_size_is_found_about_four_times_out_of_five(design):
    drop = design.detectable()
    found = list(simulate(design, drop, runs=200))
    said = np.mean([measured.detectable for measured in found])
    assert said == pytest.approx(100 * drop, rel=0.05)
    assert 70 <= found_share(found) <= 88  # 200 runs: a standard error of 2.8


def test_without_a_drop_there_are_no_more_alarms_than_five_in_a_hundred():
    found = list(simulate(Design(150, 4, 0.5), 0.0, runs=200))
    assert sum(measured.p < 0.05 for measured in found) <= 200 * 0.09


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_swapping_the_sides_turns_the_sign_and_nothing_else(pairs):
    before, after = (scores(side) for side in zip(*pairs, strict=True))
    one, other = measure(MEAN, before, after), measure(MEAN, after, before)
    assert one.difference.value == pytest.approx(-other.difference.value, abs=1e-12)
    assert (one.p, one.lost) == (other.p, other.gained)
