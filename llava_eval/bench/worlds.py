"""Invented data with a known truth, one world for each way in which a metric is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from llava_eval.intervals import NORMAL
from llava_eval.records import Estimate, Sample, Score
from llava_eval.scorers.exact import GQA
from llava_eval.scorers.relative import LLAVA_BENCH
from llava_eval.scorers.rubric import MMVET
from llava_eval.scorers.yes_no import (
    MME_CELLS,
    MME_TASKS,
    PERCEPTION,
    mme_table,
    pope_figures,
    pope_table,
)
from llava_eval.stats import Array, Numbers, share_estimate

Generator = np.random.Generator
MME_IMAGES = (30, 30, 30, 30, 147, 170, 200, 200, 200, 20)  # of the ten tasks of perception


class Trial(NamedTuple):
    """What one data set says: our estimate, and the half-width of 1.96 naive errors.

    The naive error takes every question, or every reply of a judge, for an independent one.
    """

    ours: Estimate
    naive: float


@dataclass(frozen=True)
class World:
    """A kind of data with a known truth.

    Attributes:
        name: What a reader calls it.
        truth: Of the metric, in its unit: what endlessly much data would give.
        draw: One data set.
        trials: How many are enough; fewer where one takes long.
    """

    name: str
    truth: float
    draw: Callable[[Generator], Trial]
    trials: int = 2000


def chances(rng: Generator, mean: float, alike: float, n: int) -> Array:
    """Draw every image's own chance of a right answer.

    Args:
        rng: Source of chance.
        mean: Of the chances.
        alike: Correlation of two answers about one image, 0 to below 1.
        n: Number of images.
    """
    if alike == 0:
        return np.full(n, mean)
    scale = (1 - alike) / alike
    return rng.beta(mean * scale, (1 - mean) * scale, n)


def _sizes(rng: Generator, images: int, questions: float) -> Numbers:
    """Draw how many questions an image has: all as many, if that is a whole number."""
    if questions == int(questions):
        return np.full(images, int(questions), dtype=np.intp)
    return rng.geometric(1 / questions, images).astype(np.intp)


def _naive_mean(values: Array) -> float:
    return float(100 * NORMAL * values.std() / len(values) ** 0.5)


def accuracy(images: int, questions: float, mean: float, alike: float) -> World:
    """Make a world of right and wrong answers, several about an image.

    Args:
        images: Their number.
        questions: About each; no whole number means so many on average, widely spread.
        mean: Share of right answers.
        alike: Correlation of two answers about one image.
    """

    def draw(rng: Generator) -> Trial:
        owner = np.repeat(np.arange(images), _sizes(rng, images, questions))
        right = rng.random(len(owner)) < chances(rng, mean, alike, images)[owner]
        values = right.astype(np.float64)
        return Trial(share_estimate(values, owner), _naive_mean(values))

    name = f"accuracy, {images} images x {questions:g}, correlation {alike:g}"
    return World(name, 100 * mean, draw)


def soft_accuracy(images: int, questions: float) -> World:
    """Make a world of VQA accuracies: 0, 0.3, 0.6, 0.9 or 1, alike about one image."""
    values = np.array([0, 0.3, 0.6, 0.9, 1])
    hard, easy = np.array([0.5, 0.1, 0.1, 0.1, 0.2]), np.array([0.05, 0.05, 0.1, 0.1, 0.7])

    def draw(rng: Generator) -> Trial:
        owner = np.repeat(np.arange(images), _sizes(rng, images, questions))
        is_easy = (rng.random(images) < 0.7)[owner]
        n = len(owner)
        found: Array = np.where(
            is_easy, rng.choice(values, n, p=easy), rng.choice(values, n, p=hard)
        )
        return Trial(share_estimate(found, owner), _naive_mean(found))

    truth = float(100 * (0.7 * easy + 0.3 * hard) @ values)
    return World(f"VQA accuracy, {images} images x {questions:g}", truth, draw)


def circular(circles: int, mean: float) -> World:
    """Make a world of circles of four rotations, of which all must be right.

    The naive interval counts rotations instead of circles.
    """

    def draw(rng: Generator) -> Trial:
        each = chances(rng, mean, 0.6, circles)
        right = rng.random((circles, 4)) < each[:, None]
        whole = np.asarray(right.all(axis=1), dtype=np.float64)
        return Trial(share_estimate(whole, [""] * circles), _naive_mean(whole) / 2)

    scale = (1 - 0.6) / 0.6
    a = mean * scale
    truth = float(np.prod([(a + i) / (scale + i) for i in range(4)]))
    return World(f"circular accuracy, {circles} circles x 4", 100 * truth, draw)


def pope(images: int, hit: float, alarms: Sequence[float], alike: float) -> World:
    """Make a world of POPE: three yes and three no an image and category.

    Args:
        images: Their number.
        hit: Share of yes among the three that are there.
        alarms: For each category, share of yes among the three that are not.
        alike: Correlation of two answers about one image.
    """

    def draw(rng: Generator) -> Trial:
        totals = np.zeros((images, 3, 4))
        seen = chances(rng, hit, alike, images)
        for category, alarm in enumerate(alarms):
            fooled = chances(rng, alarm, alike, images)
            tp, fp = rng.binomial(3, seen), rng.binomial(3, fooled)
            totals[:, category] = np.stack([tp, fp, 3 - fp, 3 - tp], axis=-1)
        counts = totals.reshape(images, -1)
        ours = pope_table(counts).estimate((-1, 0), images * 18)
        return Trial(ours, NORMAL * _naive_figure_error(counts.sum(axis=0)))

    expected = np.array([[hit, alarm, 1 - alarm, 1 - hit] for alarm in alarms])
    truth = float(pope_figures(expected.ravel())[-1, 0])
    return World(f"POPE mean F1, {images} images x 18", truth, draw, trials=1000)


def _naive_figure_error(sums: Array) -> float:
    """Return the error of POPE's mean F1 if every question were independent."""
    moved = pope_figures(np.maximum(sums - np.eye(len(sums)), 0))[:, -1, 0]
    centre = float(sums @ moved / sums.sum())
    return math.sqrt(float(sums @ (moved - centre) ** 2))


def mme(mean: float, shrink: int = 1) -> World:
    """Make a world of MME's perception: pairs of questions in ten tasks of unequal size."""
    images = [max(2, n // shrink) for n in MME_IMAGES]
    tasks = [task for task, n in zip(PERCEPTION, images, strict=True) for _ in range(n)]
    place = np.array([MME_TASKS.index(task) for task in tasks])
    alike = 0.4

    def draw(rng: Generator) -> Trial:
        n = len(tasks)
        right = rng.binomial(2, chances(rng, mean, alike, n))
        totals = np.zeros((n, len(MME_TASKS), len(MME_CELLS)))
        both = right == 2
        totals[np.arange(n), place] = np.stack([right, np.full(n, 2), both, np.ones(n)], axis=-1)
        ours = mme_table(tasks, totals.reshape(n, -1)).estimate((0,), 2 * n)
        counts = np.bincount(place)[: len(PERCEPTION)]
        p = np.bincount(place, right)[: len(PERCEPTION)] / counts / 2
        q = np.bincount(place, both)[: len(PERCEPTION)] / counts
        variance = (p * (1 - p) / counts / 2 + q * (1 - q) / counts).sum()
        return Trial(ours, float(100 * NORMAL * variance**0.5))

    truth = 1000 * (mean + mean**2 + alike * mean * (1 - mean))
    return World(f"MME perception, {len(tasks):,} pairs", truth, draw, trials=400)


def relative(runs: int, lenience: float) -> World:
    """Make a world of LLaVA-Bench: 60 questions about 24 images, two ratings a reply.

    Args:
        runs: Of the judge.
        lenience: Standard deviation of what a run adds to all its ratings of the model.
    """

    def draw(rng: Generator) -> Trial:
        image = rng.permutation(np.arange(60) % 24)
        topic = rng.normal(0, 0.7, 24)[image][:, None]
        answer = rng.normal(0, 1.5, (60, 1))
        reference = 8.5 + 0.3 * topic + rng.normal(0, 0.4, (60, runs))
        model = (
            5.5 + topic + answer + rng.normal(0, 0.6, (60, runs)) + rng.normal(0, lenience, runs)
        )
        replies = np.stack([np.ones_like(model), reference, model], axis=-1)
        scores = [_judged(n, str(image[n]), {"category": "conv"}, replies[n]) for n in range(60)]
        ours = LLAVA_BENCH.summarize(scores).metrics["relative_score"]
        ratio = model.mean() / reference.mean()
        parts = 100 * (model - ratio * reference) / reference.mean()
        return Trial(ours, float(NORMAL * parts.std() / parts.size**0.5))

    name = f"relative score, 60 questions, {runs} judge run{'s' if runs > 1 else ''}"
    if lenience:
        name += " of unequal lenience"
    return World(name, 100 * 5.5 / 8.5, draw, trials=1000)


def rubric(runs: int, lenience: float) -> World:
    """Make a world of MM-Vet: 218 questions, degrees of correctness in tenths.

    Args:
        runs: Of the judge.
        lenience: Standard deviation of what a run adds to all its degrees.
    """

    def draw(rng: Generator) -> Trial:
        quality = rng.choice([0.2, 0.4, 0.6, 0.8], (218, 1))
        noise = rng.choice([-0.1, 0, 0.1], (218, runs))
        degrees = quality + noise + rng.normal(0, lenience, runs).clip(-0.1, 0.1)
        groups = {"integration": "rec"}
        scores = [_judged(n, "", groups, degrees[n]) for n in range(218)]
        ours = MMVET.summarize(scores).metrics["score"]
        return Trial(ours, float(100 * NORMAL * degrees.std() / degrees.size**0.5))

    name = f"MM-Vet score, 218 questions, {runs} judge runs"
    return World(name + (" of unequal lenience" if lenience else ""), 50.0, draw, trials=1000)


def distribution(images: int) -> World:
    """Make a world of GQA's distribution: ten questions an image, about its ten colours.

    Its truth is the mean over 300 data sets of this size; there is no naive interval.
    """
    colours = [f"colour {n}" for n in range(10)]
    weights = 1 / np.arange(1, 11)
    groups = {"structural": "query", "semantic": "attr", "global": "color"}

    def draw(rng: Generator) -> Trial:
        scores = []
        for image in range(images):
            asked = rng.choice(10, 10, p=weights / weights.sum())
            # The model falls back on the commonest colour, in some images more than in others.
            given = np.where(rng.random(10) < rng.beta(2, 4), 0, asked)
            for place, (right, said) in enumerate(zip(asked, given, strict=True)):
                name = f"{image}-{place}"
                sample = Sample(
                    name, "?", references=(colours[right],), groups=groups, cluster=str(image)
                )
                scores.append(Score(name, float(right == said), colours[said], "scored", sample))
        return Trial(GQA.summarize(scores).metrics["distribution"], float("nan"))

    rng = np.random.default_rng(0)
    truth = float(np.mean([draw(rng).ours.value for _ in range(300)]))
    return World(f"GQA distribution, {images} images x 10", truth, draw, trials=1000)


def _judged(number: int, cluster: str, groups: dict[str, str], replies: Array) -> Score:
    """Make the score of one question from what a judge's runs said of it."""
    sample = Sample(str(number), "?", groups=groups, cluster=cluster)
    # Of LLaVA-Bench's value only that there is one counts.
    value = float(replies.mean()) if replies.ndim == 1 else 0.0
    return Score(sample.id, value, "", "scored", sample, tuple(replies.ravel().tolist()))
