"""Standard errors: clustered by image, by a seeded bootstrap where a figure is no mean.

Questions about one image are not independent, so whole images are drawn, not questions.
docs/intervals.md says how every metric gets its interval, and how often they cover.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llava_eval.intervals import score_interval, t_interval
from llava_eval.records import Estimate

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

SEED = 0
REPLICATES = 1000
BLOCK = 4_000_000  # drawn weights held at a time: 32 MB


class RunSpread(NamedTuple):
    """What a judge's runs add to the variance of a figure, beyond what samples tell.

    Attributes:
        variance: In the square of the figure's unit.
        df: Its degrees of freedom: runs - 1.
    """

    variance: float = 0.0
    df: int = 0


ONE_RUN = RunSpread()


class _Mean(NamedTuple):
    """A mean with all that an interval is made of."""

    value: float
    error: float
    clusters: float
    rests_on: float


def mean_estimate(
    values: Sequence[float] | Array, clusters: Sequence[str] | Numbers, scale: float = 100
) -> Estimate:
    """Estimate the mean of any numbers, such as differences, clustered by image.

    Args:
        values: One per sample, at least one.
        clusters: Cluster of each sample; an empty name is a cluster of its own. Several means
            over one set share the work where `cluster_numbers` has been called before.
        scale: What the mean and its interval are multiplied by; 100 for percent.

    Returns:
        Mean, standard error and 95 % interval (Student's t, as many degrees of freedom as
        clusters less one); from a single cluster no interval can be had.

    Source: the sandwich estimator with the G / (G - 1) correction of Liang and Zeger, 1986.

    >>> mean_estimate([1, 0, 1, 1], ["a", "a", "b", "c"]).value
    75.0
    """
    mean = _clustered_mean(np.asarray(values, dtype=np.float64), clusters)
    if mean.clusters == 1:
        return Estimate(scale * mean.value, None, None, len(values))
    low, high = t_interval(mean.value, mean.error, mean.clusters - 1)
    return Estimate(scale * mean.value, scale * low, scale * high, len(values), scale * mean.error)


def share_estimate(
    values: Sequence[float] | Array,
    clusters: Sequence[str] | Numbers,
    runs: RunSpread = ONE_RUN,
) -> Estimate:
    """Estimate the mean of values in [0, 1], in percent, clustered by image.

    Args:
        values: One per sample, at least one.
        clusters: As in `mean_estimate`.
        runs: What a judge's runs add to the variance of the mean.

    Returns:
        As `mean_estimate`, but the interval keeps within 0 and 100 and has a width there, see
        `intervals.score_interval`.

    >>> perfect = share_estimate([1] * 40, [""] * 40)
    >>> perfect.error, round(perfect.low, 1), perfect.high
    (0.0, 90.7, 100.0)
    """
    mean = _clustered_mean(np.asarray(values, dtype=np.float64), clusters)
    if mean.clusters == 1:
        return Estimate(100 * mean.value, None, None, len(values))
    error, df = _with_runs(mean.error, mean.clusters - 1, runs)
    low, high = score_interval(mean.value, error, df, mean.clusters, mean.rests_on, 1.0)
    # Scaled last: 100 x the exact mean is the number that has always been printed.
    return Estimate(100 * mean.value, 100 * low, 100 * high, len(values), 100 * error)


def _clustered_mean(numbers: Array, clusters: Sequence[str] | Numbers) -> _Mean:
    mean = math.fsum(numbers) / len(numbers)  # exact: the order of the rows moves no digit
    owner = clusters if isinstance(clusters, np.ndarray) else cluster_numbers(clusters)
    sizes = np.bincount(owner)
    order = np.argsort(numbers, kind="stable")  # sums of fractions hang on their order
    sums = np.sort(np.bincount(owner[order], weights=numbers[order] - mean))
    if len(sizes) == 1:
        return _Mean(mean, 0.0, 1.0, 0.0)
    n_clusters = len(sums)
    variance = n_clusters / (n_clusters - 1) * float(sums @ sums) / len(numbers) ** 2
    return _Mean(
        mean, variance**0.5, float(effective_number(sizes)), float(effective_number(sums**2))
    )


def effective_number(weights: NDArray[np.generic]) -> Array:
    """Return how many equal weights would carry as much as these: (sum w)^2 / sum w^2.

    Args:
        weights: Shape (clusters, ...), not negative.

    Returns:
        Shape (...); 0 where all weights are.

    Source: Kish, Survey Sampling, 1965.

    >>> float(effective_number(np.array([2.0, 2.0, 0.0])))
    2.0
    """
    weights = np.asarray(weights, dtype=np.float64)
    squares = (weights**2).sum(axis=0)
    total = weights.sum(axis=0) ** 2
    return np.where(squares > 0, total / np.where(squares > 0, squares, 1), 0.0)


def _with_runs(error: float, df: float, runs: RunSpread) -> tuple[float, float]:
    """Add the variance of a judge's runs; degrees of freedom as Satterthwaite has them."""
    if not runs.variance:
        return error, df
    whole = error**2 + runs.variance
    share = runs.variance / whole
    return whole**0.5, 1 / ((1 - share) ** 2 / df + share**2 / runs.df)


def run_spread(parts: Array) -> RunSpread:
    """Tell how much a mean over samples moves from one run of a judge to the next.

    What a run does to single samples is in the spread between samples already, since their
    values are means over runs. What it does to all of them, a judge that is lenient for a
    whole run, is not: that is what is estimated here, and nothing is added where the runs
    differ by no more than the single samples explain.

    Args:
        parts: Shape (samples, runs): what each reply adds to a mean over samples, the figure
            being their mean; NaN where a reply is missing or cannot be read.

    Returns:
        Zero for a single run.

    Source: the two-way analysis of variance without replication.
    """
    parts = parts[:, ~np.isnan(parts).all(axis=0)]
    parts = parts[~np.isnan(parts).all(axis=1)]
    n, runs = parts.shape
    if n < 2 or runs < 2:
        return ONE_RUN
    by_run = np.nanmean(parts, axis=0)
    alone = parts - np.nanmean(parts, axis=1, keepdims=True) - by_run + by_run.mean()
    within = float(np.nansum(alone**2)) / ((n - 1) * (runs - 1))
    between = float(by_run.var(ddof=1))
    return RunSpread(max(0.0, (between - within / n) / runs), runs - 1)


def cluster_numbers(clusters: Sequence[str]) -> Numbers:
    """Return each sample's cluster as a number, in the order of the clusters' names."""
    names = [name or f"\0{place}" for place, name in enumerate(clusters)]
    # Only different names are sorted: VQAv2 has 214,354 questions about 40,504 images.
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.fromiter((number[name] for name in names), dtype=np.intp, count=len(names))


def cluster_totals(clusters: Sequence[str], cells: Sequence[int], n_cells: int) -> Array:
    """Count, for every cluster, how many of its samples fall into each cell.

    Args:
        clusters: Cluster of each sample; an empty name is a cluster of its own.
        cells: Cell of each sample, 0 <= cell < n_cells.
        n_cells: Number of cells.

    Returns:
        Shape (clusters, n_cells).
    """
    owner = cluster_numbers(clusters)
    totals = np.zeros((owner.max() + 1, n_cells))
    np.add.at(totals, (owner, np.asarray(cells)), 1)
    return totals


@dataclass(frozen=True)
class Bootstrap:
    """Figures of one shape with what their intervals are made of, all of that shape.

    Attributes:
        point: The figures.
        error: Standard error, the standard deviation of the draws; NaN where no draw has the
            figure, and for a single cluster.
        clusters: Effective number of clusters that a figure is over.
        rests_on: Effective number of clusters that its error rests on.
        top: The largest value that a figure can take, the least being 0; infinite for figures
            without bounds.
    """

    point: Array
    error: Array
    clusters: Array
    rests_on: Array
    top: Array

    def estimate(self, place: tuple[int, ...], n: int, runs: RunSpread = ONE_RUN) -> Estimate:
        """Return one figure, which rests on `n` samples; what is undefined in it is None."""
        value, error, clusters, rests_on, top = (
            float(part[place])
            for part in (self.point, self.error, self.clusters, self.rests_on, self.top)
        )
        if math.isnan(value):
            return Estimate(None, None, None, n)
        if math.isnan(error) or clusters <= 1:
            return Estimate(value, None, None, n)
        error, df = _with_runs(error, clusters - 1, runs)
        if math.isinf(top):
            low, high = t_interval(value, error, df)
        else:
            low, high = score_interval(value, error, df, clusters, rests_on, top)
        return Estimate(value, low, high, n, error)


def bootstrap(
    totals: Array,
    statistic: Callable[[Array], Array],
    replicates: int = REPLICATES,
    seed: int = SEED,
    strata: Sequence[str] | None = None,
    clusters: Array | None = None,
    top: Array | float = math.inf,
) -> Bootstrap:
    """Estimate statistics of sums over clusters, and their standard errors.

    Of n clusters n - 1 are drawn each time, which makes the variance of a mean unbiased; and
    the standard deviation of the draws serves, not their quantiles, which for few clusters
    lie too close together.

    Args:
        totals: Shape (clusters, cells): what each cluster adds to each sum.
        statistic: Maps sums of shape (..., cells) to figures of shape (..., *shape);
            NaN where a figure is undefined. Draws in which it is undefined are left out.
        replicates: Number of draws.
        seed: The same seed gives the same error.
        strata: Stratum of each cluster, where a figure is made of parts of fixed size: each is
            then drawn by itself. By default all are one.
        clusters: Shape `shape`: effective number of clusters that each figure is over; 1 where
            no interval can be had. By default all, less one for each stratum but the first.
        top: Largest value of each figure, the least being 0; figures without bounds have none.

    Returns:
        Figures and errors of shape `shape`.

    Source: Rao and Wu, JASA 83, 1988 (the rescaled bootstrap).
    """
    rng = np.random.default_rng(seed)
    n_clusters = len(totals)
    point = np.asarray(statistic(totals.sum(axis=0)))
    step = max(1, BLOCK // n_clusters)
    stratum = cluster_numbers(strata or ["all"] * n_clusters)
    drawn = np.concatenate(
        [
            statistic(_draws(rng, stratum, min(step, replicates - start)) @ totals)
            for start in range(0, replicates, step)
        ]
    )
    # Few images and many tasks: each draw may miss one. Any number there keeps numpy quiet.
    # A single cluster is the same in every draw: what it says of others is not known.
    never = np.isnan(drawn).all(axis=0) | (n_clusters == 1)
    error = np.where(never, np.nan, np.nanstd(np.where(never, 0.0, drawn), axis=0, ddof=1))
    if clusters is None:
        clusters = np.full(point.shape, float(n_clusters - stratum.max()))
    tops = np.broadcast_to(np.asarray(top, dtype=np.float64), point.shape)
    rests_on = np.zeros(point.shape)
    if np.isfinite(tops).any():
        rests_on = _rests_on(totals, statistic)
    return Bootstrap(point, error, clusters, rests_on, tops)


def jackknife_error(totals: Array, statistic: Callable[[Array], Array]) -> float:
    """Return the standard error of one figure from leaving out each cluster once.

    Args:
        totals: Shape (clusters, ...), at least two clusters.
        statistic: Maps sums of shape (clusters, ...) to figures of shape (clusters,).

    Source: Quenouille and Tukey; e.g. Efron, The Jackknife, the Bootstrap and Other Resampling
    Plans, 1982.
    """
    without = statistic(totals.sum(axis=0) - totals)
    return float(np.sqrt((len(totals) - 1) * np.var(without)))


def _rests_on(totals: Array, statistic: Callable[[Array], Array]) -> Array:
    """Return on how many clusters the errors of the figures rest: each is left out once."""
    without = np.asarray(statistic(totals.sum(axis=0) - totals))
    known = ~np.isnan(without)
    count = np.maximum(known.sum(axis=0), 1)
    moved = np.where(known, without, 0.0)
    moved = np.where(known, moved - moved.sum(axis=0) / count, 0.0)
    moved[np.abs(moved) < 1e-9] = 0.0  # rounding, where no cluster moves anything
    return effective_number(moved**2)


def _draws(rng: np.random.Generator, stratum: Numbers, count: int) -> Array:
    """Return what each cluster weighs in each of `count` draws: shape (count, clusters)."""
    weights = np.ones((count, len(stratum)))
    for number in range(stratum.max() + 1):
        members = np.flatnonzero(stratum == number)
        n = len(members)
        if n > 1:
            # An eighth of the time that numpy's multinomial takes.
            drawn = rng.integers(n, size=(count, n - 1)) + n * np.arange(count)[:, None]
            times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
            weights[:, members] = times * (n / (n - 1))
    return weights


def narrowed(estimate: Estimate, share: float) -> Estimate:
    """Narrow an estimate from a draw without replacement to what it says of the full set.

    Args:
        estimate: Of a figure over drawn clusters, as if there were endlessly many.
        share: Of the full set's clusters that were drawn, in [0, 1].

    Source: the finite population correction, e.g. Cochran, Sampling Techniques, 2.6.

    >>> narrowed(Estimate(50.0, 40.0, 60.0, 10, 5.0), 0.75)
    Estimate(value=50.0, low=45.0, high=55.0, n=10, error=2.5)
    """
    value, low, high, error = estimate.value, estimate.low, estimate.high, estimate.error
    if value is None or low is None or high is None or error is None:
        return estimate
    factor = math.sqrt(1 - share)
    return dataclasses.replace(
        estimate,
        low=value - factor * (value - low),
        high=value + factor * (high - value),
        error=factor * error,
    )
