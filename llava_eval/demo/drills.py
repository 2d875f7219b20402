"""Drills: terse exercises that sit beside the questions during training and are never asked later.

A drill is a label and pairs of (given, answer); the loss is on the answers. They teach the language
model to find things in the image before it can read questions: without them "is there a seven?"
stayed at chance for as long as it was watched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llava_eval.demo.choices import COLOURS_CN, NUMBERS_CN
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, Scene
from llava_eval.demo.short import misread, of_unique_colour, on_a_side


@dataclass(frozen=True)
class Drill:
    """One exercise; every piece of text starts with a space, as inside a sentence."""

    label: str
    pairs: tuple[tuple[str, str], ...]


def _exist(rng: random.Random, scene: Scene) -> Drill:
    present = list({digit.word for digit in scene.digits})
    present.sort()
    absent = [word for word in NUMBER_WORDS if word not in present]
    words = rng.sample(present, min(3, len(present))) + rng.sample(absent, 3)
    rng.shuffle(words)
    pairs = [(f" {word}", " Yes" if word in present else " No") for word in words]
    return Drill("exist:", tuple(pairs))


def _colour(rng: random.Random, scene: Scene) -> Drill | None:
    if scene.kind == "strip" or not scene.digits:
        return None
    digits = rng.sample(scene.digits, len(scene.digits))
    return Drill("color:", tuple((f" {digit.word}", f" {digit.colour}") for digit in digits))


def _pair(rng: random.Random, scene: Scene) -> Drill | None:
    if not scene.digits:
        return None
    shown = {(digit.colour, digit.word) for digit in scene.digits}
    pairs = []
    for _ in range(5):
        digit = rng.choice(scene.digits)
        colour = digit.colour if rng.random() < 0.5 else rng.choice(tuple(COLOURS))
        answer = " Yes" if (colour, digit.word) in shown else " No"
        pairs.append((f" {colour} {digit.word}", answer))
    return Drill("pair:", tuple(pairs))


def _number(rng: random.Random, scene: Scene) -> Drill | None:
    if scene.kind == "strip" or not (unique := of_unique_colour(scene)):
        return None
    digits = rng.sample(unique, len(unique))
    return Drill("number:", tuple((f" {digit.colour}", f" {digit.word}") for digit in digits))


def _order(rng: random.Random, scene: Scene) -> Drill | None:
    if not scene.digits:
        return None
    return Drill("order:", tuple(("", f" {digit.word}") for digit in scene.digits))


def _scene_order(rng: random.Random, scene: Scene) -> Drill | None:
    if not scene.digits:
        return None
    pieces = [word for digit in scene.digits for word in (f" {digit.colour}", f" {digit.word}")]
    return Drill("scene:", tuple(("", piece) for piece in pieces))


def _strip(rng: random.Random, scene: Scene) -> Drill | None:
    if scene.kind != "strip":
        return None
    return Drill("strip:", (("", f" {scene.number}"),))


def _side(rng: random.Random, scene: Scene) -> Drill | None:
    if not (placed := on_a_side(scene)):
        return None
    placed = rng.sample(placed, len(placed))
    return Drill("side:", tuple((f" {digit.word}", f" {side}") for digit, side in placed))


def _count(rng: random.Random, scene: Scene) -> Drill:
    return Drill("count:", (("", f" {len(scene.digits)}"),))


def _compare(rng: random.Random, scene: Scene) -> Drill | None:
    if scene.kind != "several" or len(scene.digits) != 2:
        return None
    low, high = sorted(digit.value for digit in scene.digits)
    pairs = ((" larger", f" {high}"), (" smaller", f" {low}"), (" total", f" {low + high}"))
    return Drill("compare:", tuple(rng.sample(pairs, 3)))


def _match(rng: random.Random, scene: Scene) -> Drill | None:
    """Compare a number with that of a strip, digit by digit, and then as a whole."""
    if scene.kind != "strip":
        return None
    number = scene.number if rng.random() < 0.3 else misread(rng, scene.number)
    pairs = [
        (f" {claimed}", " Yes" if claimed == real else " No")
        for claimed, real in zip(number, scene.number, strict=True)
    ]
    return Drill("match:", (*pairs, (f" {number}", " Yes" if number == scene.number else " No")))


def _options(rng: random.Random, scene: Scene) -> Drill | None:
    """Go through options as in a multiple-choice question: colours of one digit, or the reverse."""
    if scene.kind == "strip" or not (unique := of_unique_colour(scene)):
        return None
    digit = rng.choice(unique)
    asked, right, names = rng.choice(
        (
            (digit.word, digit.colour, tuple(COLOURS)),
            (NUMBERS_CN[digit.value], COLOURS_CN[digit.colour], tuple(COLOURS_CN.values())),
            (digit.colour, digit.word, NUMBER_WORDS),
        )
    )
    offered = rng.sample([name for name in names if name != right], 3)
    offered.insert(rng.randint(0, 3), right)
    pairs = [(f" {name}", " Yes" if name == right else " No") for name in offered]
    return Drill(f"options: {asked}:", tuple(pairs))


def _next(rng: random.Random, scene: Scene) -> Drill:
    """Count up and down; about no scene at all."""
    pairs = []
    for value in rng.sample(range(1, 9), 4):
        word, offset = rng.choice(((" after", 1), (" before", -1)))
        answer = f" {NUMBER_WORDS[value + offset]}"
        pairs.append((f"{word} {NUMBER_WORDS[value]}", answer))
    return Drill("next:", tuple(pairs))


DRILLS: dict[str, Callable[[random.Random, Scene], Drill | None]] = {
    "exist": _exist,
    "colour": _colour,
    "pair": _pair,
    "number": _number,
    "order": _order,
    "scene": _scene_order,
    "strip": _strip,
    "side": _side,
    "count": _count,
    "compare": _compare,
    "match": _match,
    "options": _options,
    "next": _next,
}


def drill_any(
    rng: random.Random, scene: Scene, count: int, weights: Mapping[str, float]
) -> list[Drill]:
    """Set several drills on one scene.

    Args:
        rng: Source of randomness.
        scene: What they are about.
        count: How many.
        weights: How often each kind is drawn; 1 for those that are not named.

    Returns:
        The drills; kinds that the scene cannot carry are drawn again.
    """
    names = tuple(DRILLS)
    shares = [weights.get(name, 1.0) for name in names]
    drills: list[Drill] = []
    while len(drills) < count:
        (name,) = rng.choices(names, shares)
        if drill := DRILLS[name](rng, scene):
            drills.append(drill)
    return drills
