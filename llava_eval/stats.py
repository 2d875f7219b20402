"""Intervals: a seeded bootstrap over clusters.

Questions about one image are not independent, so whole images are drawn, not questions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llava_eval.records import Estimate

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]

SEED = 0
REPLICATES = 1000
BLOCK = 4_000_000  # drawn weights held at a time: 32 MB


def mean_estimate(
    values: Sequence[float] | Array, clusters: Sequence[str] | Numbers, scale: float = 100
) -> Estimate:
    """Estimate the mean of per-sample values, with a standard error clustered by image.

    Args:
        values: One per sample, at least one.
        clusters: Cluster of each sample; an empty name is a cluster of its own. Several means
            over one set share the work where `cluster_numbers` has been called before.
        scale: What the mean and its interval are multiplied by; 100 for percent.

    Returns:
        Mean and 95 % interval (normal); from a single cluster no interval can be had.

    Source: the sandwich estimator with the G / (G - 1) correction of Liang and Zeger, 1986.

    >>> mean_estimate([1, 0, 1, 1], ["a", "a", "b", "c"]).value
    75.0
    """
    numbers = np.asarray(values, dtype=np.float64)
    mean = math.fsum(numbers) / len(numbers)  # exact: the order of the rows moves no digit
    owner = clusters if isinstance(clusters, np.ndarray) else cluster_numbers(clusters)
    sums = np.bincount(owner, weights=numbers - mean)
    if len(sums) == 1:
        return Estimate(scale * mean, None, None, len(numbers))
    variance = len(sums) / (len(sums) - 1) * float(sums @ sums) / len(numbers) ** 2
    error = variance**0.5
    low, high = mean - 1.959963984540054 * error, mean + 1.959963984540054 * error
    return Estimate(scale * mean, scale * low, scale * high, len(numbers), scale * error)


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
    """Figures of any shape with the bounds of their 95 % intervals, all of the same shape.

    `error` is the standard error: the standard deviation of the draws.
    """

    point: Array
    low: Array
    high: Array
    error: Array

    def estimate(self, place: tuple[int, ...], n: int) -> Estimate:
        """Return one figure, which rests on `n` samples; what is undefined in it is None."""
        if np.isnan(self.point[place]):
            return Estimate(None, None, None, n)
        if np.isnan(self.low[place]):
            return Estimate(float(self.point[place]), None, None, n)
        value, low, high, error = (
            float(part[place]) for part in (self.point, self.low, self.high, self.error)
        )
        return Estimate(value, low, high, n, error)


def bootstrap(
    totals: Array,
    statistic: Callable[[Array], Array],
    replicates: int = REPLICATES,
    seed: int = SEED,
    strata: Sequence[str] | None = None,
) -> Bootstrap:
    """Estimate statistics of sums over clusters, with 95 % percentile intervals.

    Args:
        totals: Shape (clusters, cells): what each cluster adds to each sum.
        statistic: Maps sums of shape (..., cells) to figures of shape (..., *shape);
            NaN where a figure is undefined. Draws in which it is undefined are left out.
        replicates: Number of draws.
        seed: The same seed gives the same interval.
        strata: Stratum of each cluster, where a figure is made of parts of fixed size: each is
            then drawn by itself. By default all are one.

    Returns:
        Figures and bounds of shape `shape`; bounds are NaN where no draw has the figure, and
        for a single cluster.
    """
    rng = np.random.default_rng(seed)
    n_clusters = len(totals)
    point = statistic(totals.sum(axis=0))
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
    known = np.where(never, 0.0, drawn)
    bounds = np.nanpercentile(known, [2.5, 97.5], axis=0)
    low, high = np.where(never, np.nan, bounds)
    return Bootstrap(point, low, high, np.where(never, np.nan, np.nanstd(known, axis=0)))


def _draws(rng: np.random.Generator, stratum: NDArray[np.intp], count: int) -> Array:
    """How often each cluster occurs in each of `count` draws: shape (count, clusters)."""
    weights = np.empty((count, len(stratum)))
    for number in range(stratum.max() + 1):
        members = np.flatnonzero(stratum == number)
        weights[:, members] = rng.multinomial(
            len(members), np.full(len(members), 1 / len(members)), size=count
        )
    return weights
