"""How often a comparison finds a drop of the size that it says it can find.

`python -m llava_eval.bench.power` prints the table of docs/comparing.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from llava_eval.measure import Measured, measure
from llava_eval.pairing import DETECTABLE
from llava_eval.records import Sample, Score
from llava_eval.scorers.paired import PAIRED
from llava_eval.tables import markdown_table

METRIC = PAIRED["textvqa"]["accuracy"]
RIGHT = 0.7  # of the samples that do not change
GAINED = 0.02
SEED = 0
RUNS = 1000


@dataclass(frozen=True)
class Design:
    """A benchmark that two runs are compared on.

    Attributes:
        clusters: Number of images.
        size: Questions about each.
        shared: Share of the images whose questions are gained or lost together.
    """

    clusters: int
    size: int
    shared: float

    def error(self, drop: float) -> float:
        """Return the true standard error of the paired difference, as a fraction."""
        variance = drop + 2 * GAINED - drop**2
        inflation = 1 + (self.size - 1) * self.shared
        return math.sqrt(variance * inflation / (self.clusters * self.size))

    def detectable(self) -> float:
        """Return the drop that equals what can be found with 80 % power, as a fraction."""
        drop = 0.0
        for _ in range(100):
            drop = DETECTABLE * self.error(drop)
        return drop


DESIGNS = (
    Design(300, 1, 0.0),
    Design(1000, 1, 0.0),
    Design(500, 6, 0.0),
    Design(500, 6, 0.5),
)


def simulate(design: Design, drop: float, runs: int, seed: int = SEED) -> Iterator[Measured]:
    """Compare pairs of runs whose true difference is known.

    Args:
        design: The benchmark.
        drop: True drop, as a fraction.
        runs: How many comparisons.
        seed: The same seed gives the same runs.

    Yields:
        What each comparison measured.
    """
    rng = np.random.default_rng(seed)
    n = design.clusters * design.size
    samples = [Sample(str(i), "", cluster=str(i // design.size)) for i in range(n)]
    for _ in range(runs):
        toss = rng.random((design.clusters, design.size))
        together = rng.random(design.clusters) < design.shared
        toss[together] = toss[together, :1]
        lost = (toss < GAINED + drop).ravel()
        gained = (toss > 1 - GAINED).ravel()
        right = rng.random(n) < RIGHT
        before = np.where(lost, True, np.where(gained, False, right))
        after = np.where(lost, False, np.where(gained, True, right))
        yield measure(METRIC, _scores(samples, before), _scores(samples, after))


def _scores(
    samples: list[Sample], right: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> list[Score]:
    return [
        Score(sample.id, float(value), "", "scored", sample)
        for sample, value in zip(samples, right.tolist(), strict=True)
    ]


def found_share(measured: list[Measured]) -> float:
    """Return the share of comparisons that call a drop significant, in percent."""
    found = [m.p is not None and m.p < 0.05 and (m.difference.value or 0.0) < 0 for m in measured]
    return 100 * sum(found) / len(found)


def _row(design: Design) -> list[str]:
    drop = design.detectable()
    with_drop = list(simulate(design, drop, RUNS))
    without = list(simulate(design, 0.0, RUNS))
    covered = [
        m.difference.low is not None
        and m.difference.high is not None
        and m.difference.low <= -100 * drop <= m.difference.high
        for m in with_drop
    ]
    alarms = [m.p is not None and m.p < 0.05 for m in without]
    said = np.mean([m.detectable or 0.0 for m in with_drop])
    return [
        f"{design.clusters:,} x {design.size}",
        f"{100 * design.shared:.0f} %",
        f"{100 * drop:.2f}",
        f"{said:.2f}",
        f"{found_share(with_drop):.1f} %",
        f"{100 * sum(covered) / RUNS:.1f} %",
        f"{100 * sum(alarms) / RUNS:.1f} %",
    ]


def main() -> None:
    """Print the table."""
    heading = [
        "images x questions",
        "images lost as a whole",
        "planted drop",
        "`detectable`, mean",
        "drop found",
        "interval has the drop",
        "alarms without a drop",
    ]
    print(markdown_table([heading, *(_row(design) for design in DESIGNS)]))


if __name__ == "__main__":
    main()
