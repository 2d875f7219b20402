"""Yes/no benchmarks: POPE and MME."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llava_eval.answers.yes_no import mme_yes_no, pope_yes_no
from llava_eval.errors import DataError, brief
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import Reading, Scorer, reference_among
from llava_eval.stats import Bootstrap, bootstrap, cluster_totals, effective_number

METRICS = ("f1", "accuracy", "precision", "recall", "yes_ratio")
OUTCOMES = ("tp", "fp", "tn", "fn")


def score_pope(sample: Sample, text: str) -> Reading:
    """Return 1.0 and the answer if it equals the label, else 0.0 and the answer."""
    answer = pope_yes_no(text)
    return Reading(float(answer == sample.references[0]), answer)


def summarize_pope(scores: Sequence[Score]) -> Summary:
    """Compute the five figures of each category, and their unweighted means.

    Args:
        scores: With a value each; their samples carry the group "category".

    Returns:
        Percentages; "yes" is the positive class. The standard error is a bootstrap over images.

    Source: haotian-liu/LLaVA, `llava/eval/eval_pope.py`; the paper's single number is the mean
    of the three F1.
    Departs: A figure whose denominator is zero is None; the script stops with an exception.
    The script joins labels to answers by line position, this by id. A category none of whose
    rows has an answer has no part in the mean; its rows are counted as missing or failed.
    """
    categories, cells = pope_cells(scores)
    totals = cluster_totals(
        [score.sample.cluster for score in scores], cells, len(categories) * len(OUTCOMES)
    )
    table = pope_table(totals)
    counts = totals.sum(axis=0).reshape(len(categories), len(OUTCOMES)).sum(axis=1)
    rows = [
        {name: table.estimate((place, i), int(n)) for i, name in enumerate(METRICS)}
        for place, n in enumerate([*counts, len(scores)])
    ]
    return Summary(rows[-1], dict(zip(categories, rows[:-1], strict=True)))


def pope_cells(scores: Sequence[Score]) -> tuple[list[str], list[int]]:
    """Return the categories, and each score's cell in categories x outcomes."""
    categories = sorted({score.sample.groups["category"] for score in scores})
    place = {name: number * len(OUTCOMES) for number, name in enumerate(categories)}
    cells = [
        place[score.sample.groups["category"]] + OUTCOMES.index(_outcome(score)) for score in scores
    ]
    return categories, cells


def _outcome(score: Score) -> str:
    """Name the cell of the confusion matrix, as "tp" or "fn"."""
    return ("t" if score.value else "f") + ("p" if score.parsed == "yes" else "n")


def pope_table(totals: NDArray[np.float64]) -> Bootstrap:
    """Bootstrap the figures of every category and their means.

    Args:
        totals: Shape (images, categories x 4), counts of tp, fp, tn, fn.

    Returns:
        Shape (categories + 1, 5).
    """
    tp, fp, tn, fn = np.moveaxis(totals.reshape(len(totals), -1, len(OUTCOMES)), -1, 0)
    n = tp + fp + tn + fn
    over = np.stack([n, n, tp + fp, tp + fn, n], axis=-1)  # what each figure is a share of
    clusters = effective_number(over)
    # A mean is taken to be over the same images again: POPE asks all three about each.
    mean = len(clusters) / (1 / np.maximum(clusters, 1)).sum(axis=0, keepdims=True)
    return bootstrap(totals, pope_figures, clusters=np.concatenate([clusters, mean]), top=100.0)


def pope_figures(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn counts into percentages.

    Args:
        totals: Shape (..., categories x 4), counts of tp, fp, tn, fn.

    Returns:
        Shape (..., categories + 1, 5); the last row is the mean of the others.
    """
    cells = totals.reshape(*totals.shape[:-1], -1, len(OUTCOMES))
    tp, fp, tn, fn = np.moveaxis(cells, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        f1 = 2 * precision * recall / (precision + recall)
        n = tp + fp + tn + fn
        figures = np.stack([f1, (tp + tn) / n, precision, recall, (tp + fp) / n], axis=-1)
    mean = figures.mean(axis=-2, keepdims=True)
    return 100 * np.concatenate([figures, mean], axis=-2)


def pope_extremes(sample: Sample) -> tuple[Reading, Reading]:
    """Return the wrong and the right answer, which are told from each other by their words."""
    return score_pope(sample, {"yes": "no", "no": "yes"}[sample.references[0]]), score_pope(
        sample, sample.references[0]
    )


def check_pope(sample: Sample) -> None:
    """Check that a sample has a label and a category.

    Raises:
        DataError: It has not.
    """
    reference_among(sample, ("yes", "no"))
    if not sample.groups["category"]:
        raise DataError("no category; must be adversarial, popular or random")


POPE = Scorer(
    1,
    METRICS,
    score_pope,
    summarize_pope,
    check_pope,
    references="yes or no",
    groups=("category",),
    extremes=pope_extremes,
    unbounded=("yes_ratio",),
)


PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = (
    "commonsense_reasoning",
    "numerical_calculation",
    "text_translation",
    "code_reasoning",
)
MME_TASKS = (*PERCEPTION, *COGNITION)
MME_METRICS = ("perception", "cognition")
MME_FIGURES = ("score", "accuracy", "accuracy_plus")
MME_CELLS = ("correct", "questions", "both_correct", "pairs")

Images = dict[tuple[str, str], list[float]]  # task and image to the values of its questions


def score_mme(sample: Sample, text: str) -> Reading:
    """Return 1.0 if the answer is the label, whatever its case, else 0.0; "other" is wrong."""
    answer = mme_yes_no(text)
    return Reading(float(answer == sample.references[0].lower()), answer)


def summarize_mme(scores: Sequence[Score]) -> Summary:
    """Add up the ten tasks of perception and the four of cognition.

    Args:
        scores: With a value each; their samples carry the group "category", and the image as
            their cluster.

    Returns:
        In points, `perception` of at most 2,000 and `cognition` of at most 800: sums of the
        tasks' `score`, which is `accuracy` of the questions plus `accuracy_plus` of the images
        (both questions correct), each in percent. A sum is None while one of its tasks has no
        figure. The standard error is a bootstrap over the images of each task by itself.

    Raises:
        DataError: A task has more than two questions on an image.

    Source: `calculation.py` of MME's `eval_tool.zip`. LLaVA prints perception alone.
    Departs: The tool takes every two lines for an image and stops if the last is alone; here
    images are told apart by name, and one with a single answered question counts in accuracy
    but not in accuracy_plus (a note says how many). Without the file of a task the tool stops.
    Precision, recall and confusion counts, which it computes but never prints, are left out.
    """
    images = mme_images(scores)
    keys, totals = mme_totals(images)
    table = mme_table([task for task, _ in keys], totals)
    questions = Counter(score.sample.groups["category"] for score in scores)
    pairs = Counter(task for (task, _), values in images.items() if len(values) == 2)
    groups = {
        task: _task_figures(table, task, questions[task], pairs[task])
        for task in MME_TASKS
        if task in questions
    }
    metrics = {
        name: table.estimate((place,), sum(questions[task] for task in tasks))
        for place, (name, tasks) in enumerate(
            zip(MME_METRICS, (PERCEPTION, COGNITION), strict=True)
        )
    }
    alone = len(images) - pairs.total()
    notes = (
        {"pairs": f"not in accuracy_plus: {alone:,} images with one answer only"} if alone else {}
    )
    return Summary(metrics, groups, notes)


def _task_figures(table: Bootstrap, task: str, questions: int, pairs: int) -> dict[str, Estimate]:
    first = len(MME_METRICS) + len(MME_FIGURES) * MME_TASKS.index(task)
    return {
        figure: table.estimate((first + i,), pairs if figure == "accuracy_plus" else questions)
        for i, figure in enumerate(MME_FIGURES)
    }


def mme_images(scores: Sequence[Score]) -> Images:
    """Gather the values of each image's questions."""
    images: Images = {}
    for score in scores:
        key = (score.sample.groups["category"], score.sample.cluster)
        images.setdefault(key, []).append(float(score.value or 0.0))
    return images


def mme_totals(images: Images) -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
    """Return tasks and images in order, and what each image adds: shape (images, tasks x 4)."""
    keys = sorted(images)
    return keys, np.array([_mme_cells(*key, images[key]) for key in keys])


def _mme_cells(task: str, image: str, values: Sequence[float]) -> NDArray[np.float64]:
    """Count what one image adds: shape (tasks x 4), zero but for its own task."""
    if len(values) > 2:
        raise DataError(f"{task}: {len(values)} questions on {image}, must be 2")
    cells = np.zeros((len(MME_TASKS), len(MME_CELLS)))
    pair = len(values) == 2
    cells[MME_TASKS.index(task)] = sum(values), len(values), pair and all(values), pair
    return cells.ravel()


def mme_table(tasks: Sequence[str], totals: NDArray[np.float64]) -> Bootstrap:
    """Bootstrap the two sums and the figures of each task.

    Args:
        tasks: Task of each image.
        totals: Shape (images, tasks x 4).

    Returns:
        Shape (2 + tasks x 3,), in the order of `mme_points`.
    """
    images = np.array([tasks.count(task) for task in MME_TASKS], dtype=np.float64)
    clusters = [_sum_over(images[: len(PERCEPTION)]), _sum_over(images[len(PERCEPTION) :])]
    tops = [200.0 * len(part) for part in (PERCEPTION, COGNITION)]
    return bootstrap(
        totals,
        mme_points,
        strata=tasks,
        clusters=np.array([*clusters, *np.repeat(images, len(MME_FIGURES))]),
        top=np.array([*tops, *[200.0, 100.0, 100.0] * len(MME_TASKS)]),
    )


def _sum_over(images: NDArray[np.float64]) -> float:
    """Return how many images in one task would be as certain as the sum over these tasks.

    A task with a single image says nothing of its own spread, nor does the sum then.
    """
    if images.min() < 2:
        return 1.0
    return float(len(images) ** 2 / (1 / images).sum())


def mme_points(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn counts into points.

    Args:
        totals: Shape (..., tasks x 4).

    Returns:
        Shape (..., 2 + tasks x 3): perception, cognition, then the figures of each task.
    """
    cells = totals.reshape(*totals.shape[:-1], -1, len(MME_CELLS))
    correct, questions, both, pairs = np.moveaxis(cells, -1, 0)
    with np.errstate(invalid="ignore"):
        accuracy, plus = correct / questions * 100, both / pairs * 100
    figures = np.stack([accuracy + plus, accuracy, plus], axis=-1)
    n = len(PERCEPTION)
    # One after the other, as the tool adds them: numpy's own sum differs in the last digit.
    sums = [np.cumsum(part, axis=-1)[..., -1:] for part in np.split(figures[..., 0], [n], axis=-1)]
    return np.concatenate([*sums, figures.reshape(*totals.shape[:-1], -1)], axis=-1)


def check_mme(sample: Sample) -> None:
    """Check that a sample has a label, a known task and an image to be paired by.

    Raises:
        DataError: It has not.
    """
    reference_among(sample, ("Yes", "No", "yes", "no"))
    if sample.groups["category"] not in MME_TASKS:
        raise DataError(
            f"category is {brief(sample.groups['category'])}, must be one of {', '.join(MME_TASKS)}"
        )
    if not sample.cluster:
        raise DataError("question_id is empty, must be the path of the image")


MME = Scorer(
    1,
    MME_METRICS,
    score_mme,
    summarize_mme,
    check_mme,
    references="Yes or No; two questions per cluster",
    groups=("category",),
)
