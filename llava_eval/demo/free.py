"""Question types answered in a sentence: no instruction follows the question (LLaVA-Bench, MM-Vet).

Every function takes `(rng, scene)` and returns a `Question`, or None where the scene cannot carry
it.
"""

from __future__ import annotations

import random

from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import Scene
from llava_eval.demo.short import COUNT_WORDS, article, of_unique_colour

REQUESTS = (
    "Describe the image.",
    "What do you see in this image?",
    "Describe this photo in detail.",
)


def description(scene: Scene) -> str:
    """Describe a scene in one sentence, digits in reading order.

    >>> from llava_eval.demo.scenes import Background
    >>> description(Scene("empty", 3, 3, (), Background()))
    'The image shows no digits.'
    """
    if not scene.digits:
        return "The image shows no digits."
    if scene.kind == "strip":
        return f"The image shows the number {scene.number} in {scene.digits[0].colour}."
    parts = [article(f"{digit.colour} {digit.word}") for digit in scene.digits]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"The image shows {listed}."


def describe(rng: random.Random, scene: Scene) -> Question:
    """Ask for a description."""
    return Question(rng.choice(REQUESTS), description(scene), "free")


def say_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the colour of a digit."""
    if not scene.digits:
        return None
    digit = rng.choice(scene.digits)
    noun = "number" if scene.kind == "strip" else digit.word
    return Question(f"What color is the {noun}?", f"The {noun} is {digit.colour}.", "free")


def say_number(rng: random.Random, scene: Scene) -> Question | None:
    """Ask which digit has a colour."""
    if scene.kind == "strip" or not (unique := of_unique_colour(scene)):
        return None
    digit = rng.choice(unique)
    text = f"Which number is {digit.colour}?"
    return Question(text, f"The {digit.colour} number is {digit.word}.", "free")


def say_count(rng: random.Random, scene: Scene) -> Question:
    """Ask for the number of digits."""
    count = len(scene.digits)
    answer = "There is one digit." if count == 1 else f"There are {COUNT_WORDS[count]} digits."
    return Question("How many digits are in the image?", answer, "free")


def say_strip(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the number of a strip."""
    if scene.kind != "strip":
        return None
    return Question("What is the number in the image?", f"The number is {scene.number}.", "free")


def say_total(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the sum of exactly two digits."""
    if scene.kind != "several" or len(scene.digits) != 2:
        return None
    total = sum(digit.value for digit in scene.digits)
    return Question("What is the total of the two numbers?", f"The total is {total}.", "free")
