"""Paired statistics: two runs on the same samples.

Samples about one image are not independent, so whole images are drawn and swapped, both sides
of an image together. Everything is seeded.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from llava_eval.intervals import NORMAL
from llava_eval.records import Estimate
from llava_eval.scorers.paired import Ledger, Unit
from llava_eval.stats import BLOCK, SEED, Array, bootstrap, cluster_numbers, mean_estimate

SWAPS = 10_000
ALL_SWAPS_UP_TO = 13  # changed clusters: 2 ** 13 swaps are fewer than SWAPS
# (1.96 + 0.84): the normal quantiles of a two-sided test at 5 % and of a power of 80 %.
DETECTABLE = NORMAL + 0.8416212335729143


def mean_difference(baseline: Sequence[Unit], candidate: Sequence[Unit]) -> Estimate:
    """Estimate candidate minus baseline of a mean, in percent, paired and clustered.

    Args:
        baseline: Units in the order of `candidate`'s: the same ids.
        candidate: At least one.

    Returns:
        The mean of the units' differences, with the interval of a mean of so many clusters.
        With clusters of one the standard error is s / sqrt(n), that of a paired t-test. A
        difference of shares lies between -100 and 100, and so does the interval.
    """
    changes = [new.value - old.value for old, new in zip(baseline, candidate, strict=True)]
    found = mean_estimate(changes, cluster_numbers([unit.cluster for unit in candidate]))
    if found.low is None or found.high is None:
        return found
    return dataclasses.replace(found, low=max(found.low, -100.0), high=min(found.high, 100.0))


def sums_difference(baseline: Ledger, candidate: Ledger) -> Estimate:
    """Estimate candidate minus baseline of a figure made of sums, by a joint bootstrap.

    Args:
        baseline: Over the clusters of `candidate`, in its order.
        candidate: At least one cluster.

    Returns:
        Each draw takes the same clusters for both sides; None where a figure is undefined.
    """
    cells = baseline.totals.shape[1]

    def difference(sums: Array) -> Array:
        with np.errstate(all="ignore"):
            return candidate.statistic(sums[..., cells:]) - baseline.statistic(sums[..., :cells])

    totals = np.concatenate([baseline.totals, candidate.totals], axis=1)
    table = bootstrap(totals, difference, strata=candidate.strata)
    return table.estimate((), len(candidate.clusters))


def figure(ledger: Ledger) -> float | None:
    """Return the figure that all sums give; None where it is undefined."""
    with np.errstate(all="ignore"):
        value = float(ledger.statistic(ledger.totals.sum(axis=0)))
    return value if math.isfinite(value) else None


def swap_test(baseline: Ledger, candidate: Ledger, seed: int = SEED) -> tuple[float, str]:
    """Test whether two sides differ, by swapping them cluster by cluster.

    If the two were alike, which of a cluster's two outcomes is the candidate's would be a toss
    of a coin. p is the share of tosses that move the figure at least as far as it did move.

    Args:
        baseline: Over the clusters of `candidate`, in its order.
        candidate: At least one cluster.
        seed: The same seed gives the same p.

    Returns:
        Two-sided p, and how it was had: all swaps of up to 13 changed clusters, which is exact,
        or 10,000 random ones, of which the observed outcome counts as one more.
    """
    change = candidate.totals - baseline.totals
    change = change[change.any(axis=1)]
    if not len(change):
        return 1.0, "nothing changed"
    whole = baseline.totals.sum(axis=0) + candidate.totals.sum(axis=0)

    def moved(signs: Array) -> Array:
        # Swapping turns the sign of a cluster's change; the sum of both sides stays.
        half = signs @ change / 2
        with np.errstate(all="ignore"):
            return np.abs(
                candidate.statistic(whole / 2 + half) - baseline.statistic(whole / 2 - half)
            )

    values = figure(baseline), figure(candidate)
    if values[0] is None or values[1] is None:
        return 1.0, "undefined"
    # Rounding must not decide; a swap for which the figure is undefined counts as far.
    bound = abs(values[1] - values[0]) * (1 - 1e-9)
    if len(change) <= ALL_SWAPS_UP_TO:
        far = ~(moved(_all_signs(len(change))) < bound)
        return float(far.mean()), f"all swaps of {len(change)} clusters"
    far_off = sum(int((~(moved(s) < bound)).sum()) for s in _random_signs(len(change), seed))
    return (far_off + 1) / (SWAPS + 1), f"{SWAPS:,} random swaps of {len(change):,} clusters"


def _all_signs(count: int) -> Array:
    """Return every row of +1 and -1: shape (2 ** count, count)."""
    bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return 1.0 - 2.0 * bits.astype(np.float64)


def _random_signs(count: int, seed: int) -> Iterator[Array]:
    """Yield SWAPS rows of +1 and -1 in blocks: shape (rows, count)."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // count)
    for start in range(0, SWAPS, step):
        size = (min(step, SWAPS - start), count)
        yield 1.0 - 2.0 * rng.integers(0, 2, size=size, dtype=np.int8).astype(np.float64)


def mcnemar(lost: int, gained: int) -> float:
    """Return the exact two-sided p of McNemar's test.

    Args:
        lost: Units that only the baseline has right.
        gained: Units that only the candidate has right.

    Returns:
        Twice the binomial tail, at most 1; computed in whole numbers.

    Source: McNemar, 1947, in its exact form; scipy's `binomtest(lost, lost + gained)`.

    >>> mcnemar(8, 1)
    0.0390625
    >>> mcnemar(0, 0)
    1.0
    """
    n, term, tail = lost + gained, 1, 0
    for k in range(min(lost, gained) + 1):
        tail += term
        term = term * (n - k) // (k + 1)
    p: float = 2 * tail / 2**n
    return min(1.0, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for the number of tests, after Holm, 1979.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[place])
        corrected[place] = min(1.0, largest)
    return corrected


def detectable(error: float) -> float:
    """Return the smallest true difference that is found four times out of five.

    Args:
        error: Standard error of the paired difference.

    Returns:
        (1.96 + 0.84) x error: two-sided test at 5 %, power of 80 %, one task.
    """
    return DETECTABLE * error
