"""Ten invented annotators a question, who do not always agree."""

from __future__ import annotations

import random
from itertools import cycle, islice

from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS
from llava_eval.demo.short import misread

ANNOTATORS = 10
# How many say what is right; the official rule gives 0.9 where only three do.
AGREEMENT = (10, 10, 9, 9, 8, 8, 7, 6, 5, 3)
LEAST_YES_NO = 6
UNSUITABLE = ("unsuitable", "unsuitable image", "blurry", "can't tell")


def ten_answers(rng: random.Random, answer: str) -> list[str]:
    """Say what ten people answer: most of them what is right, the others something near it.

    Args:
        rng: Source of randomness.
        answer: What is right, in lower case as annotators type it.

    Returns:
        Ten answers, of which `answer` is the most frequent.
    """
    right = agreeing(rng, answer)
    wrong = islice(cycle(near_misses(rng, answer)), ANNOTATORS - right)
    answers = [answer] * right + list(wrong)
    rng.shuffle(answers)
    return answers


def agreeing(rng: random.Random, answer: str) -> int:
    """Draw how many annotators say what is right.

    Where all ten do, the official VQA rule compares the raw texts, and a model's "Yes" is not
    their "yes": that lesson is kept for one yes/no question in twenty.
    """
    count = rng.choice(AGREEMENT)
    if answer in ("yes", "no"):
        return 10 if rng.random() < 0.05 else min(9, max(count, LEAST_YES_NO))
    return count


def near_misses(rng: random.Random, answer: str) -> list[str]:
    """List what the others answer, at least four things but for a yes/no question."""
    if answer in ("yes", "no"):
        return ["no" if answer == "yes" else "yes"]
    if answer == "unanswerable":
        return rng.sample(UNSUITABLE, len(UNSUITABLE))
    if answer in COLOURS:
        others = [colour for colour in COLOURS if colour != answer]
        return rng.sample(others, len(others))
    if answer in NUMBER_WORDS:
        numeral = str(NUMBER_WORDS.index(answer))
        others = [word for word in NUMBER_WORDS if word != answer]
        return [numeral, *rng.sample(others, 4)]
    return list(dict.fromkeys(misread(rng, answer) for _ in range(40)))
