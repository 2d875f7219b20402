"""What each metric is made of, so that two runs can be drawn and swapped together.

`PAIRED` names, for every scorer and metric, how. A metric is either a mean over units (samples,
or circles of MMBench), or a figure made of sums over clusters: then both sides' sums are kept
by cluster, and any draw or swap of clusters gives the figure anew without scoring again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from llava_eval.records import Score
from llava_eval.scorers import relative, rubric, yes_no
from llava_eval.scorers.choice import modality
from llava_eval.stats import Array, cluster_numbers, cluster_totals


class Unit(NamedTuple):
    """What counts once in a mean: a value in [0, 1] under an id, and its cluster."""

    id: str
    cluster: str
    value: float


@dataclass(frozen=True)
class Ledger:
    """The sums that a figure is made of, by cluster.

    Attributes:
        clusters: Their names, in order.
        strata: Stratum of each: a part of fixed size that is drawn by itself.
        totals: Shape (clusters, cells): what each cluster adds to each sum.
        statistic: Sums of shape (..., cells) to figures of shape (...), in the metric's unit.
    """

    clusters: Sequence[str]
    strata: Sequence[str]
    totals: Array
    statistic: Callable[[Array], Array]


@dataclass(frozen=True)
class MeanMetric:
    """100 x the mean of units' values.

    Attributes:
        units: The scores of a set to units; those that have no part are left out.
    """

    units: Callable[[Sequence[Score]], list[Unit]]
    full_scale: float = 100.0


@dataclass(frozen=True)
class SumsMetric:
    """A figure that is no mean.

    Attributes:
        ledger: The scores of a set to sums by cluster.
        full_scale: From the worst to the best value, in the metric's unit.
        readable: Whether a sample without a value, of which no judge's reply could be read,
            has no part.
    """

    ledger: Callable[[Sequence[Score]], Ledger]
    full_scale: float = 100.0
    readable: bool = False


def full_scale(scorer: str, metric: str) -> float:
    """Return how far a metric's worst and best value are apart, in its unit."""
    found = PAIRED.get(scorer, {}).get(metric)
    return found.full_scale if found else 100.0


def mean_ledger(units: Sequence[Unit]) -> Ledger:
    """Return the sums that a mean of units is made of: their number and their values."""
    owners = cluster_numbers([unit.cluster for unit in units])
    values = np.array([unit.value for unit in units])
    totals = np.stack([np.bincount(owners) * 1.0, np.bincount(owners, values)], axis=-1)
    names = sorted({unit.cluster for unit in units})
    return Ledger(
        names, ["all"] * len(names), totals, lambda sums: 100 * sums[..., 1] / sums[..., 0]
    )


def cluster_of(score: Score) -> str:
    """Return the cluster of a score; a sample without one is its own."""
    return score.sample.cluster or f"\0{score.id}"


def _each(value: Callable[[Score], float | None]) -> MeanMetric:
    """Average a value over samples; None takes a sample out."""

    def units(scores: Sequence[Score]) -> list[Unit]:
        found = ((score, value(score)) for score in scores)
        return [Unit(s.id, cluster_of(s), float(v)) for s, v in found if v is not None]

    return MeanMetric(units)


def _where(keep: Callable[[Score], bool]) -> MeanMetric:
    """Average the score's own value over some of the samples."""
    return _each(lambda score: score.value if keep(score) else None)


def _circles(scores: Sequence[Score]) -> list[Unit]:
    """Count a circle as right if every rotation is; it is a cluster of its own."""
    worst: dict[str, float] = {}
    for score in scores:
        name, value = score.sample.cluster, float(score.value or 0.0)
        worst[name] = min(value, worst.get(name, 1.0))
    return [Unit(name, name, value) for name, value in sorted(worst.items())]


def _graded_runs(score: Score) -> float:
    runs = [0.0 if run == rubric.UNREAD_RUN else run for run in score.details]
    return sum(runs) / len(runs)


def _pope(metric: str) -> SumsMetric:
    column = yes_no.METRICS.index(metric)

    def ledger(scores: Sequence[Score]) -> Ledger:
        categories, cells = yes_no.pope_cells(scores)
        owners = [cluster_of(score) for score in scores]
        totals = cluster_totals(owners, cells, len(categories) * len(yes_no.OUTCOMES))
        names = sorted(set(owners))
        return Ledger(
            names,
            ["all"] * len(names),
            totals,
            lambda sums: yes_no.pope_figures(sums)[..., -1, column],
        )

    return SumsMetric(ledger)


def _mme(metric: str) -> SumsMetric:
    column = yes_no.MME_METRICS.index(metric)
    tasks = (yes_no.PERCEPTION, yes_no.COGNITION)[column]

    def ledger(scores: Sequence[Score]) -> Ledger:
        images, totals = yes_no.mme_totals(yes_no.mme_images(scores))
        return Ledger(
            ["\0".join(image) for image in images],
            [task for task, _ in images],
            totals,
            lambda sums: yes_no.mme_points(sums)[..., column],
        )

    return SumsMetric(ledger, full_scale=200.0 * len(tasks))


def _relative(metric: str) -> SumsMetric:
    column = relative.METRICS.index(metric)

    def ledger(scores: Sequence[Score]) -> Ledger:
        owners = [cluster_of(score) for score in scores]
        names, numbers = sorted(set(owners)), cluster_numbers(owners)
        totals, figures = relative.rated_sums(scores, numbers.tolist(), len(names))
        return Ledger(names, ["all"] * len(names), totals, lambda sums: figures(sums)[..., column])

    return SumsMetric(ledger, readable=metric != "official_relative_score")


_VALUE = _each(lambda score: score.value)
_DETAIL = _each(lambda score: score.details[0])

# GQA's `distribution` and MM-Vet's `run_std` are left out: no sample has a part of its own in them.
PAIRED: Mapping[str, Mapping[str, MeanMetric | SumsMetric]] = {
    "vqav2": {"accuracy": _VALUE, "upload_accuracy": _DETAIL},
    "vizwiz": {"accuracy": _VALUE, "accuracy_without_leave_one_out": _DETAIL},
    "textvqa": {"accuracy": _VALUE},
    "gqa": {
        "accuracy": _VALUE,
        "binary": _where(lambda score: score.sample.groups["structural"] != "query"),
        "open": _where(lambda score: score.sample.groups["structural"] == "query"),
    },
    "scienceqa": {
        "image_accuracy": _where(lambda score: modality(score.sample) == "image"),
        "accuracy": _VALUE,
    },
    "seedbench": {
        "accuracy": _VALUE,
        "image_accuracy": _where(lambda score: score.sample.groups.get("data_type") == "image"),
        "video_accuracy": _where(lambda score: score.sample.groups.get("data_type") == "video"),
    },
    "mmbench": {
        "accuracy": MeanMetric(_circles),
        "first_rotation_accuracy": _where(lambda score: score.id == score.sample.cluster),
    },
    "pope": {metric: _pope(metric) for metric in yes_no.METRICS},
    "mme": {metric: _mme(metric) for metric in yes_no.MME_METRICS},
    "llava_bench": {metric: _relative(metric) for metric in relative.METRICS},
    "mmvet": {"score": _VALUE, "official_score": _each(_graded_runs)},
}
