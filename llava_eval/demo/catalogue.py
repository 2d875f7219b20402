"""All question types by name, and how often training asks each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from llava_eval.demo import choices, free, short
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import Scene

Asker = Callable[[random.Random, Scene], Question | None]

QUESTION_TYPES: dict[str, Asker] = {
    "yn_exist": short.exists,
    "yn_joint": short.exists_in_colour,
    "yn_colour": short.is_colour,
    "yn_count": short.is_count,
    "yn_ocr": short.is_number,
    "yn_side": short.is_on_side,
    "side": short.side,
    "colour": short.colour,
    "either_colour": short.either_colour,
    "recognise": short.recognise,
    "number_in_colour": short.number_in_colour,
    "larger_smaller": short.larger_or_smaller,
    "count": short.count,
    "ocr": short.read,
    "ocr_tokens": short.read_with_tokens,
    "viz_colour": short.colour_if_shown,
    "viz_number": short.number_if_shown,
    "viz_other": short.something_else,
    "mc_number": choices.pick_number,
    "mc_present": choices.pick_present,
    "mc_number_in_colour": choices.pick_number_in_colour,
    "mc_colour": choices.pick_colour,
    "mc_count": choices.pick_count,
    "mc_side": choices.pick_side,
    "cn_number": choices.pick_number_cn,
    "cn_colour": choices.pick_colour_cn,
    "cn_count": choices.pick_count_cn,
    "text_only": choices.text_only,
    "free_describe": free.describe,
    "free_colour": free.say_colour,
    "free_number": free.say_number,
    "free_count": free.say_count,
    "free_ocr": free.say_strip,
    "free_total": free.say_total,
}

# Types that need more practice, and types that are learnt from a tenth of it; the others weigh 1.
WEIGHTS = {
    "yn_joint": 1.6,
    "yn_ocr": 1.5,
    "ocr": 1.5,
    "ocr_tokens": 2.0,
    "larger_smaller": 2.0,
    "mc_number": 1.5,
    "mc_number_in_colour": 1.2,
    "cn_number": 1.5,
    "cn_colour": 1.5,
    "viz_other": 0.2,
    "free_describe": 1.2,
    "free_colour": 0.5,
    "free_number": 0.5,
    "free_count": 0.5,
    "free_total": 1.0,
}
IMAGE_TYPES = tuple(name for name in QUESTION_TYPES if name != "text_only")


def ask(name: str, rng: random.Random, scene: Scene) -> Question | None:
    """Ask one type of question about a scene.

    Args:
        name: Key in `QUESTION_TYPES`.
        rng: Decides what is asked and in which wording.
        scene: What it is asked about.

    Returns:
        The question, or None where the scene cannot carry this type.
    """
    return QUESTION_TYPES[name](rng, scene)


def ask_any(
    rng: random.Random, scene: Scene, count: int, weights: Mapping[str, float] = WEIGHTS
) -> list[tuple[str, Question]]:
    """Ask several questions about one scene.

    Args:
        rng: Source of randomness.
        scene: What is asked about.
        count: How many questions.
        weights: How often each type is drawn; 1 for those that are not named.

    Returns:
        Pairs of type and question; types that the scene cannot carry are drawn again.
    """
    shares = [weights.get(name, 1.0) for name in IMAGE_TYPES]
    asked: list[tuple[str, Question]] = []
    while len(asked) < count:
        (name,) = rng.choices(IMAGE_TYPES, shares)
        if question := ask(name, rng, scene):
            asked.append((name, question))
    return asked
