"""How often the intervals cover: `make coverage` writes the tables of docs/intervals.md.

Worlds are data with a known truth, see `worlds`. The other tables draw from sets that are fixed:
invented ones, and the demo's own scores.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llava_eval.bench.worlds import (
    Generator,
    World,
    accuracy,
    chances,
    circular,
    distribution,
    mme,
    pope,
    relative,
    rubric,
    soft_accuracy,
)
from llava_eval.errors import RunError
from llava_eval.intervals import NORMAL
from llava_eval.records import DataSet, Estimate, Prediction
from llava_eval.runner import evaluate
from llava_eval.samples import draw, read_samples
from llava_eval.scorers import SCORERS, Scorer
from llava_eval.scoring import score_predictions
from llava_eval.stats import Array, narrowed, share_estimate
from llava_eval.store import PREDICTIONS, read_predictions
from llava_eval.tables import markdown_table
from llava_eval.task import Task, load_task, task_names
from llava_eval.until import draw_sizes, narrow_enough

SEED = 1
DRAWS = 300
BEGIN, END = "<!-- figures of make coverage -->", "<!-- end of figures -->"
Cells = list[list[str]]


def worlds() -> list[World]:
    """Return every world of the first table."""
    return [
        accuracy(1000, 1, 0.7, 0),
        accuracy(200, 1, 0.97, 0),
        accuracy(500, 18, 0.86, 0),
        accuracy(500, 18, 0.86, 0.1),
        accuracy(100, 18, 0.86, 0.3),
        accuracy(400, 32, 0.62, 0.05),
        accuracy(400, 32, 0.62, 0.3),
        accuracy(400, 5.5, 0.78, 0.2),
        accuracy(200, 2, 0.8, 0.4),
        accuracy(100, 18, 0.97, 0.3),
        accuracy(100, 18, 0.99, 0.3),
        accuracy(100, 18, 0.02, 0.3),
        accuracy(24, 2.5, 0.7, 0.2),
        soft_accuracy(1000, 1),
        soft_accuracy(400, 5.5),
        circular(300, 0.8),
        circular(60, 0.9),
        pope(100, 0.8, (0.2, 0.1, 0.05), 0.2),
        pope(500, 0.8, (0.2, 0.1, 0.05), 0.2),
        pope(60, 0.97, (0.04, 0.02, 0.01), 0.2),
        mme(0.75),
        mme(0.97),
        mme(0.75, shrink=4),
        relative(1, 0),
        relative(3, 0),
        relative(3, 0.4),
        rubric(5, 0),
        rubric(5, 0.04),
        distribution(50),
    ]


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the truth, in percent, and their mean widths.

    Attributes:
        ours: The intervals that we give.
        plain: Value -+ 1.96 of our errors.
        naive: Value -+ 1.96 of errors that take everything for independent.
        width, naive_width: Mean width of ours and of the naive ones.
    """

    ours: float
    plain: float
    naive: float
    width: float
    naive_width: float


def coverage(world: World, trials: int, seed: int = SEED) -> Coverage:
    """Draw data sets from a world and count whose interval holds its truth, in percent."""
    rng = np.random.default_rng(seed)
    counts = np.zeros(5)
    for _ in range(trials):
        ours, naive = world.draw(rng)
        off = abs((ours.value or 0.0) - world.truth)
        plain = NORMAL * (ours.error or 0.0)
        held = (_holds(ours, world.truth), off <= plain, off <= naive)
        counts += (*held, _width(ours), 2 * naive)
    return Coverage(*(counts * (100, 100, 100, 1, 1) / trials))


def world_rows() -> Iterator[list[str]]:
    """Yield the rows of the first table."""
    yield ["metric", "truth", "covered, %", "plain, %", "naive, %", "mean width", "naive width"]
    for world in worlds():
        found = coverage(world, world.trials)
        naive = ["", ""]
        if not math.isnan(found.naive_width):
            naive = [f"{found.naive:.1f}", f"{found.naive_width:.2f}"]
        held = [f"{found.ours:.1f}", f"{found.plain:.1f}", naive[0]]
        yield [world.name, f"{world.truth:.1f}", *held, f"{found.width:.2f}", naive[1]]


def fixed_set(rng: Generator, images: int, questions: int, mean: float, alike: float) -> Array:
    """Make the scores of a full set: shape (images, questions)."""
    each = chances(rng, mean, alike, images)[:, None]
    return (rng.random((images, questions)) < each).astype(np.float64)


def drawn_estimate(scores: Array, share: float) -> Estimate:
    """Estimate the mean of a full set from some of its images, of shape (images, questions)."""
    owner = np.repeat(np.arange(len(scores)), scores.shape[1])
    return narrowed(share_estimate(scores.ravel(), owner), share)


FIXED = ((500, 18, 0.86, 0.1), (400, 32, 0.62, 0.05), (2000, 1, 0.7, 0.0), (1000, 5, 0.97, 0.3))


def limit_rows(trials: int = 2000) -> Iterator[list[str]]:
    """Yield the rows of the table of draws from fixed sets."""
    yield ["full set", "drawn, %", "covered, %", "without the correction, %", "mean width"]
    rng = np.random.default_rng(SEED)
    for images, questions, mean, alike in FIXED:
        name = f"{images:,} images x {questions}, {100 * mean:g} %, correlation {alike:g}"
        for share in (0.1, 0.4, 0.8):
            counts = np.zeros(3)
            for _ in range(trials):
                full = fixed_set(rng, images, questions, mean, alike)
                some = full[rng.permutation(images)[: int(share * images)]]
                ours, plain = drawn_estimate(some, share), drawn_estimate(some, 0.0)
                truth = 100 * full.mean()
                counts += (_holds(ours, truth), _holds(plain, truth), _width(ours))
            cells = counts * (100, 100, 1) / trials
            yield [name, f"{100 * share:.0f}", *(f"{cell:.1f}" for cell in cells)]


def until_rows(trials: int = 1500) -> Iterator[list[str]]:
    """Yield the rows of the table of runs that stop at a width."""
    yield ["full set", "until", "covered, %", "asked, %", "looks"]
    rng = np.random.default_rng(SEED)
    for images, questions, mean, alike in FIXED:
        name = f"{images:,} images x {questions}, {100 * mean:g} %, correlation {alike:g}"
        for until in (2.0, 1.0):
            counts = np.zeros(3)
            for _ in range(trials):
                full = fixed_set(rng, images, questions, mean, alike)
                stopped, asked, looks = stop(full[rng.permutation(images)], until)
                counts += (_holds(stopped, 100 * full.mean()), asked, looks)
            cells = counts * (100, 100, 1) / trials
            yield [name, f"{until:g}", *(f"{cell:.1f}" for cell in cells)]


def stop(scores: Array, until: float) -> tuple[Estimate, float, int]:
    """Look at the first images, then at more, until the interval is narrow enough.

    Args:
        scores: Of the full set in a random order, shape (images, questions).
        until: Half-width in percent.

    Returns:
        The estimate at which it stopped, the share that was asked, and the number of looks.
    """
    sizes = draw_sizes(len(scores))
    for look, count in enumerate(sizes, start=1):
        share = count / len(scores)
        estimate = drawn_estimate(scores[:count], share)
        if look == len(sizes) or narrow_enough(estimate, until):
            return estimate, share, look
    raise AssertionError("draw_sizes ends with the full set")


def demo_rows(folder: Path) -> Iterator[list[str]]:
    """Yield the rows of the table of draws from the demo's own scores.

    Args:
        folder: Of a run of the demo on every task that no judge grades.
    """
    yield ["task", "full value", "questions / clusters", "a quarter, %", "half, %", "three, %"]
    for task in scored_tasks():
        data = read_samples(task, "mini")
        answers = read_predictions(folder / task.name / PREDICTIONS)
        full = score_predictions(task, data, answers)[1]
        rates = [demo_rate(task, data, answers, share) for share in (0.25, 0.5, 0.75)]
        value = f"{full.headline.value:,.1f}"
        yield [task.name, value, f"{full.n} / {full.clusters}", *rates]


def scored_tasks() -> list[Task]:
    """Return the tasks that are scored without a judge."""
    tasks = [load_task(name) for name in task_names()]
    return [task for task in tasks if isinstance(SCORERS[task.scorer], Scorer)]


def demo_rate(
    task: Task,
    data: DataSet,
    answers: dict[str, Prediction],
    share: float,
    draws: int = DRAWS,
) -> str:
    """Return how often the primary metric's interval from a draw holds the full set's value.

    Args:
        task: Of the demo.
        data: Its mini split.
        answers: To all of it.
        share: Of the questions that `--limit` allows.
        draws: With as many seeds; where a draw gives no interval, it is not counted.
    """
    truth = score_predictions(task, data, answers)[1].headline.value
    held = []
    for seed in range(draws):
        part = draw(data, int(share * len(data.samples)), seed)
        known = {sample.id: answers[sample.id] for sample in part.samples}
        figure = score_predictions(task, part, known)[1].headline
        if figure.low is not None:
            held.append(_holds(figure, truth or 0.0))
    # Of MME few draws have two images of each task.
    return f"{100 * sum(held) / len(held):.1f}" if len(held) > draws / 2 else ""


def _holds(estimate: Estimate, truth: float) -> bool:
    if estimate.low is None or estimate.high is None:
        return False
    return estimate.low - 1e-9 <= truth <= estimate.high + 1e-9


def _width(estimate: Estimate) -> float:
    return (estimate.high or 0.0) - (estimate.low or 0.0)


def tables() -> Iterator[tuple[str, Cells]]:
    """Yield every heading with its table."""
    yield "### Data with a known truth", list(world_rows())
    yield "### Draws from a fixed set (`--limit`)", list(limit_rows())
    yield "### Stopping at a width (`--until`)", list(until_rows())
    with tempfile.TemporaryDirectory() as folder:
        evaluate("demo", [task.name for task in scored_tasks()], out=folder)
        yield "### The demo's own scores (`--limit`)", list(demo_rows(Path(folder)))


def write_between(path: Path, text: str) -> None:
    """Put a text between the two markers of a page.

    Raises:
        RunError: The page has no such markers.
    """
    page = path.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise RunError(f"{path}: lacks {BEGIN} or {END}; put them where the tables belong")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    path.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.coverage")
    parser.add_argument("--out", type=Path, metavar="PAGE", help="a page with the two markers")
    options = parser.parse_args(arguments)
    parts = []
    for heading, rows in tables():
        parts.append(f"{heading}\n\n{markdown_table(rows)}")
        print(parts[-1], end="\n\n", flush=True)
    if options.out:
        write_between(options.out, "\n\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
