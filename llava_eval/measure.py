"""One metric of two runs over the same rows: pairs, values, difference, tests."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from llava_eval.pairing import (
    detectable,
    figure,
    mcnemar,
    mean_difference,
    sums_difference,
    swap_test,
)
from llava_eval.records import Estimate, Score
from llava_eval.scorers.paired import Ledger, MeanMetric, SumsMetric, Unit, cluster_of, mean_ledger


@dataclass(frozen=True)
class Measured:
    """What two runs of a task differ by.

    Attributes:
        samples: Pairs that count on both sides: samples, or circles of MMBench.
        baseline: The metric over these; None where it is undefined.
        candidate: The same.
        difference: Candidate minus baseline, with its 95 % interval.
        gained: Ids of the pairs that the candidate scores higher.
        lost: Ids of those that it scores lower.
        p: Of the test that decides, two-sided; None where nothing could be tested.
        test: Which test that is.
        mcnemar: p of McNemar's exact test; None where scores are not just right or wrong.
        detectable: The smallest true drop that would be found four times out of five; None
            where nothing changed, or the difference has no standard error.
    """

    samples: int = 0
    baseline: float | None = None
    candidate: float | None = None
    difference: Estimate = field(default_factory=lambda: Estimate(None, None, None, 0))
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    p: float | None = None
    test: str = ""
    mcnemar: float | None = None
    detectable: float | None = None


def measure(
    metric: MeanMetric | SumsMetric, baseline: Sequence[Score], candidate: Sequence[Score]
) -> Measured:
    """Measure what a candidate differs by from a baseline.

    Args:
        metric: What the figure is made of.
        baseline: Scores that count in a summary.
        candidate: The same; rows that are not in both are left out.

    Returns:
        Nothing but the number of pairs, 0, if no row is in both.
    """
    if isinstance(metric, MeanMetric):
        units = _paired(metric.units(baseline), metric.units(candidate))
        return _of_mean(*units) if units[0] else Measured()
    old, new = _same_rows(baseline, candidate, metric.readable)
    if not new:
        return Measured()
    return _of_sums(metric.ledger(old), metric.ledger(new), _as_units(old), _as_units(new))


def unchanged(samples: int) -> Measured:
    """Return what two runs with the same answers differ by, whatever their scores are."""
    return Measured(samples, difference=_zero(samples), p=1.0, test="nothing changed")


def _zero(samples: int) -> Estimate:
    return Estimate(0.0, 0.0, 0.0, samples, 0.0)


def _paired(baseline: Sequence[Unit], candidate: Sequence[Unit]) -> tuple[list[Unit], list[Unit]]:
    """Keep the units that are on both sides, in the order of the candidate's."""
    old = {unit.id: unit for unit in baseline}
    kept = [unit for unit in candidate if unit.id in old]
    return [old[unit.id] for unit in kept], kept


def _same_rows(
    baseline: Sequence[Score], candidate: Sequence[Score], readable: bool
) -> tuple[list[Score], list[Score]]:
    sides = [
        {score.id: score for score in of if score.value is not None or not readable}
        for of in (baseline, candidate)
    ]
    kept = [name for name in sides[1] if name in sides[0]]
    return [sides[0][name] for name in kept], [sides[1][name] for name in kept]


def _as_units(scores: Sequence[Score]) -> list[Unit]:
    return [Unit(score.id, cluster_of(score), float(score.value or 0.0)) for score in scores]


def _of_mean(baseline: Sequence[Unit], candidate: Sequence[Unit]) -> Measured:
    ledgers = mean_ledger(baseline), mean_ledger(candidate)
    found = _compared(*ledgers, baseline, candidate)
    if not (found.gained or found.lost):
        return found
    found = _with_difference(found, mean_difference(baseline, candidate))
    if found.mcnemar is not None and _alone(baseline, candidate):
        # Then every swap of a cluster is one of a sample, and McNemar's p that of all swaps.
        return dataclasses.replace(found, p=found.mcnemar, test="McNemar, exact")
    return _with_test(found, *ledgers)


def _of_sums(
    before: Ledger, after: Ledger, baseline: Sequence[Unit], candidate: Sequence[Unit]
) -> Measured:
    found = _compared(before, after, baseline, candidate)
    if (before.totals.shape == after.totals.shape) and (before.totals == after.totals).all():
        return found
    difference = dataclasses.replace(sums_difference(before, after), n=len(candidate))
    return _with_test(_with_difference(found, difference), before, after)


def _compared(
    before: Ledger, after: Ledger, baseline: Sequence[Unit], candidate: Sequence[Unit]
) -> Measured:
    """Compare values and units; the difference stays zero until it is estimated."""
    pairs = list(zip(baseline, candidate, strict=True))
    gained = tuple(new.id for old, new in pairs if new.value > old.value)
    lost = tuple(new.id for old, new in pairs if new.value < old.value)
    binary = all(unit.value in (0.0, 1.0) for pair in pairs for unit in pair)
    exact = mcnemar(len(lost), len(gained)) if binary else None
    values = figure(before), figure(after)
    return dataclasses.replace(
        unchanged(len(pairs)),
        baseline=values[0],
        candidate=values[1],
        gained=gained,
        lost=lost,
        mcnemar=exact,
    )


def _with_difference(found: Measured, difference: Estimate) -> Measured:
    error = difference.error
    return dataclasses.replace(
        found, difference=difference, detectable=detectable(error) if error else None
    )


def _with_test(found: Measured, before: Ledger, after: Ledger) -> Measured:
    if found.difference.value is None:
        return dataclasses.replace(found, p=None, test="undefined")
    p, test = swap_test(before, after)
    return dataclasses.replace(found, p=p, test=test)


def _alone(baseline: Sequence[Unit], candidate: Sequence[Unit]) -> bool:
    """Whether no two units that changed share a cluster."""
    changed = Counter(
        new.cluster for old, new in zip(baseline, candidate, strict=True) if new.value != old.value
    )
    return max(changed.values(), default=0) <= 1
