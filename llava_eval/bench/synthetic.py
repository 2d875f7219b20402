"""Invented data sets of full size, with answers: seeded, without images.

What matters to the time is kept: number of rows, rows per image, how often an answer is written
anew and how often annotators agree. The words mean nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from llava_eval.predictions import Grades
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.scorers.choice import SEED_TYPES
from llava_eval.scorers.exact import SEMANTIC, STRUCTURAL
from llava_eval.scorers.relative import CATEGORIES
from llava_eval.scorers.rubric import CAPABILITIES
from llava_eval.scorers.vqa import ANSWER_TYPES
from llava_eval.scorers.yes_no import MME_TASKS

MME_IMAGES = 1187
MMBENCH_CIRCLES = {4: 938, 3: 149, 2: 89}  # rotations to number of questions
OPTIONS = ("a red bus", "two dogs", "the old clock", "none of these")
QUESTION_TYPES = tuple(f"what is {number}" for number in range(65))


class Case(NamedTuple):
    """One task's invented rows, a model's answers and, for a judged task, a judge's replies."""

    data: DataSet
    predictions: dict[str, Prediction]
    grades: Grades


def invent(task: str, seed: int = 0) -> Case:
    """Invent the rows of one task in full size, and answers to them.

    Args:
        task: Key of `CASES`.
        seed: The same seed gives the same rows.
    """
    rng = random.Random(seed)  # noqa: S311 (a draw, not a secret)
    samples, texts, replies = [], {}, {}
    for sample, text, reply in CASES[task](rng):
        samples.append(sample)
        texts[sample.id] = Prediction(sample.id, text)
        if reply:
            replies[sample.id] = (reply,)
    data = DataSet(f"invented {task}", "invented", False, tuple(samples), "")
    return Case(data, texts, replies)


Rows = Iterator[tuple[Sample, str, str]]  # sample, the model's words, the judge's reply


def _annotated(n: int, per_image: float, groups: Callable[[int], dict[str, str]]) -> _Maker:
    """Make a task whose rows were answered by ten people each, who agree more or less."""

    def make(rng: random.Random) -> Rows:
        words = _Vocabulary()
        for number in range(n):
            answer, agreement = words.draw(rng), rng.choice((1, 0.95, 0.9, 0.8, 0.6, 0.3))
            references = tuple(
                answer if rng.random() < agreement else words.draw(rng) for _ in range(10)
            )
            sample = Sample(
                str(number),
                f"what is {number}?",
                references=references,
                groups=groups(number),
                cluster=str(int(number / per_image)),
            )
            given = answer if rng.random() < 0.75 else words.draw(rng)
            yield sample, given.capitalize(), ""

    return make


class _Vocabulary:
    """Answers, few of them frequent and 100,000 rare, as in VQAv2's annotations."""

    def __init__(self) -> None:
        nouns = ("dog", "bus", "t-shirt", "Street sign", "tom's diner", "coca-cola", "sky, grass")
        heads = ("", "a ", "the ", "red ", "black/white ", "two ", "dont know ", "on top of ")
        phrases = [head + noun for noun in nouns for head in heads]
        self.answers = ["yes", "no", *map(str, range(10)), "white", "Red", "none", *phrases]
        self.answers += [f"{phrases[n % len(phrases)]} {n}" for n in range(100_000)]
        weights = [400, 350, *(1000 / (place + 10) for place in range(len(self.answers) - 2))]
        self.sums = list(accumulate(weights))

    def draw(self, rng: random.Random) -> str:
        """Return one answer, the frequent ones more often."""
        return rng.choices(self.answers, cum_weights=self.sums)[0]


def _chosen(n: int, per_image: float, groups: Callable[[int], dict[str, str]]) -> _Maker:
    """Make a task of four options whose answer is a letter."""

    def make(rng: random.Random) -> Rows:
        for number in range(n):
            letter = rng.choice("ABCD")
            sample = Sample(
                str(number),
                f"which is {number}?",
                choices=OPTIONS,
                references=(letter,),
                groups=groups(number),
                cluster=str(int(number / per_image)),
            )
            yield sample, letter if rng.random() < 0.6 else rng.choice(("A", "B.", "(C)", "?")), ""

    return make


def _mmbench(rng: random.Random) -> Rows:
    sizes = chain.from_iterable(repeat(size, count) for size, count in MMBENCH_CIRCLES.items())
    for circle, size in enumerate(sizes):
        for rotation in range(size):
            sample = Sample(
                str(circle + rotation * 1_000_000),
                f"which is {circle}?",
                choices=OPTIONS,
                references=("ABCD"[rotation],),
                groups={"leaf": str(circle % 20), "l2": f"L{circle % 6}", "split": "dev"},
                cluster=str(circle),
            )
            yield sample, "ABCD"[rotation] if rng.random() < 0.9 else "The answer is a bus.", ""


def _gqa(rng: random.Random) -> Rows:
    words = ("yes", "no", "left", "table", "gray", "man")
    for number in range(12_578):
        structural = STRUCTURAL[number % len(STRUCTURAL)]
        groups = {
            "structural": structural,
            "semantic": tuple(SEMANTIC)[number % len(SEMANTIC)],
            "detailed": f"{structural}Kind{number % 100}",
            "global": f"kind {number % 40}",
        }
        answer, given = rng.choice(words), rng.choice(words)
        sample = Sample(
            str(number),
            f"is it {number}?",
            references=(answer,),
            groups=groups,
            cluster=str(number % 398),
        )
        yield sample, (answer if rng.random() < 0.5 else given).capitalize(), ""


def _pope(rng: random.Random) -> Rows:
    for number in range(8_910):
        category = ("adversarial", "popular", "random")[number % 3]
        sample = Sample(
            str(number),
            f"is there {number}?",
            references=(rng.choice(("yes", "no")),),
            groups={"category": category},
            cluster=str(number // 18),
        )
        yield sample, rng.choice(("Yes", "No", "No, there is not.")), ""


def _mme(rng: random.Random) -> Rows:
    for number in range(2 * MME_IMAGES):
        image = number // 2
        sample = Sample(
            str(number),
            f"is it {number}?",
            references=(("Yes", "No")[number % 2],),
            groups={"category": MME_TASKS[image % len(MME_TASKS)]},
            cluster=str(image),
        )
        yield sample, rng.choice(("Yes", "No")), ""


def _judged(n: int, groups: Callable[[int], dict[str, str]], reply: str) -> _Maker:
    """Make a judged task; a reply holds two ratings or a degree of correctness."""

    def make(rng: random.Random) -> Rows:
        for number in range(n):
            sample = Sample(
                str(number), f"describe {number}", references=("A bus.",), groups=groups(number)
            )
            yield sample, "A red bus. " * 50, reply.format(rng.randint(1, 9), rng.randint(1, 9))

    return make


def _cycle(names: Sequence[str], grouping: str) -> Callable[[int], dict[str, str]]:
    return lambda number: {grouping: names[number % len(names)]}


def _vqav2_groups(number: int) -> dict[str, str]:
    kind = QUESTION_TYPES[number % len(QUESTION_TYPES)]
    return {"question_type": kind, "answer_type": ANSWER_TYPES[number % 3]}


def _scienceqa_groups(number: int) -> dict[str, str]:
    grade = 1 + number % 12
    return {
        "modality": "image" if number % 2 else "text",
        "subject": f"subject {number % 3}",
        "grade": f"grade{grade}",
        "grades": "G1-6" if grade < 7 else "G7-12",
    }


def _seedbench_groups(number: int) -> dict[str, str]:
    return {"data_type": SEED_TYPES[number % 2], "dimension": f"dimension {number % 12}"}


_Maker = Callable[[random.Random], Rows]

CASES: dict[str, _Maker] = {
    "vqav2": _annotated(214_354, 214_354 / 40_504, _vqav2_groups),
    "gqa": _gqa,
    "vizwiz": _annotated(4_319, 1, _cycle(ANSWER_TYPES, "answer_type")),
    "scienceqa": _chosen(4_241, 1, _scienceqa_groups),
    "textvqa": _annotated(5_000, 5_000 / 3_166, lambda number: {}),
    "pope": _pope,
    "mme": _mme,
    "mmbench": _mmbench,
    "seedbench": _chosen(19_242, 1, _seedbench_groups),
    "llava_bench": _judged(60, _cycle(CATEGORIES, "category"), "{} {}\nBoth name the bus."),
    "mmvet": _judged(218, _cycle(CAPABILITIES, "integration"), "0.{}"),
}
