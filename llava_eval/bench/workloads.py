"""Invented questions about invented pictures, in the shapes of real benchmarks: seeded.

What matters to the time is kept: questions per image, how many of them are the same, how long
they are, how early they part, and how long the answers are. The words mean nothing.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from PIL import Image

from llava_eval.families import FAMILIES, prompt_chunks
from llava_eval.records import ImageRef, Request

SHORT = "\nAnswer the question using a single word or phrase."
VIZWIZ = "\nWhen the provided information is insufficient, respond with 'Unanswerable'." + SHORT
OBJECTS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, bench, bird, cat, dog,
horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase,
frisbee, skis, snowboard, kite, skateboard, surfboard, bottle, fork, knife, spoon, bowl, banana,
apple, sandwich, orange, broccoli, carrot, pizza, donut, cake, chair, couch, bed, toilet, laptop,
mouse, remote, keyboard, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, toothbrush, traffic light, stop sign, tennis racket, wine glass, hot dog, potted plant
"""
THINGS = tuple(OBJECTS.replace("\n", " ").strip().split(", "))
COLOURS = ("black", "white", "red", "green", "blue", "yellow", "brown", "gray", "orange", "pink")
PLACES = ("to the left of", "to the right of", "behind", "in front of", "on top of", "near")


@dataclass(frozen=True)
class Workload:
    """Requests in the shape of one benchmark."""

    name: str
    requests: list[Request]

    @property
    def images(self) -> int:
        """Number of different images."""
        return len({request.images[0].name for request in self.requests})


def invent_workload(name: str, images: int, seed: int = 0) -> Workload:
    """Invent the questions of one benchmark about so many images.

    Args:
        name: Key of `WORKLOADS`.
        images: How many.
        seed: The same seed gives the same questions and pictures.
    """
    shape = WORKLOADS[name]
    rng = random.Random(f"{name} {seed}")  # noqa: S311 (a draw, not a secret)
    asked = []
    for number in range(images):
        content = picture(f"{name} {seed} {number}")
        image = ImageRef(f"{name}-{number}.jpg", partial(bytes, content))
        texts = list(shape.questions(rng, number))
        asked += [Request("", text + shape.instruction, (image,), shape.answer) for text in texts]
    if shape.shuffled:
        rng.shuffle(asked)
    requests = [
        Request(f"{name}-{place}", r.text, r.images, r.max_new_tokens)
        for place, r in enumerate(asked)
    ]
    return Workload(name, requests)


def picture(seed: str, size: tuple[int, int] = (640, 480)) -> bytes:
    """Draw a blurred pattern: a JPEG of the size and weight of a COCO photograph."""
    rng = random.Random(seed)  # noqa: S311 (a draw, not a secret)
    small = (size[0] // 8, size[1] // 8)
    noise = Image.frombytes("RGB", small, rng.randbytes(3 * small[0] * small[1]))
    buffer = io.BytesIO()
    noise.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def prompt_texts(workloads: list[Workload]) -> Iterator[str]:
    """Yield the chunks of every prompt, as the tokenizer will meet them."""
    family = FAMILIES["llava-1.5"]
    for workload in workloads:
        for request in workload.requests:
            yield from prompt_chunks(family, request.text, has_image=True)


def _pope(rng: random.Random, number: int) -> Iterator[str]:
    """Ask 18 questions: per category three objects that are there and three that are not.

    The present ones are the same in all three categories, and some of the absent ones are: of
    COCO's 9,000 rows 5,127 differ (57 %), so of the nine absent ones 7.25 of each image.
    """
    absent = 8 if number % 4 == 1 else 7
    drawn = rng.sample(THINGS, 3 + absent)
    there, missing = drawn[:3], drawn[3:]
    missing += rng.sample(missing[:6], 9 - absent)
    for category in range(3):
        for thing in (*there, *missing[3 * category : 3 * category + 3]):
            yield f"Is there {_a(thing)} in the image?"


def _a(thing: str) -> str:
    return f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"


def _described(rng: random.Random) -> str:
    return rng.choice(
        (
            "Is the {thing} {place} the {other} {colour} or {shade}?",
            "What color is the {thing} that is {place} the {other}?",
            "Do you see any {thing} {place} the {colour} {other}?",
            "Which side of the photo is the {thing} on?",
            "What is the {thing} {place} the {other} made of?",
            "Are there both a {thing} and a {other} in the picture?",
            "Who is holding the {colour} {thing}?",
        )
    ).format(**_words(rng))


def _casual(rng: random.Random) -> str:
    return rng.choice(
        (
            "What is this?",
            "How many {thing}s are there?",
            "What color is the {thing}?",
            "Is the {thing} {colour}?",
            "Where is the {thing}?",
            "What is {place} the {thing}?",
            "Is this {thing} {place} the {other}?",
            "What kind of {thing} is shown in the picture?",
        )
    ).format(**_words(rng))


def _words(rng: random.Random) -> dict[str, str]:
    thing, other = rng.sample(THINGS, 2)
    colour, shade = rng.sample(COLOURS, 2)
    place = rng.choice(PLACES)
    return {"thing": thing, "other": other, "colour": colour, "shade": shade, "place": place}


def _differing(
    rng: random.Random, number: int, draw: Callable[[random.Random], str], counts: tuple[int, ...]
) -> Iterator[str]:
    """Draw questions that differ; images have one count of `counts` after the other."""
    questions: dict[str, None] = {}
    while len(questions) < counts[number % len(counts)]:
        questions[draw(rng)] = None
    yield from questions


def _mme(rng: random.Random, number: int) -> Iterator[str]:
    """Ask one question to be answered with yes and one with no, as MME does for each image."""
    yes, no = rng.sample(THINGS, 2)
    if number % 2:
        yield f"Is there {_a(yes)} in this image?"
        yield f"Is there {_a(no)} in this image?"
    else:
        place, other = rng.sample(PLACES, 2)
        yield f"Is the {yes} {place} the {no} in the picture?"
        yield f"Is the {yes} {other} the {no} in the picture?"


@dataclass(frozen=True)
class _Kind:
    """How a benchmark asks.

    Attributes:
        questions: Questions about one image.
        instruction: What stands behind each.
        answer: Tokens of each answer, the end of sequence included; noise ends by its limit.
        shuffled: Whether the questions about one image stand apart in the file.
    """

    questions: Callable[[random.Random, int], Iterator[str]]
    instruction: str
    answer: int
    shuffled: bool = False


WORKLOADS: dict[str, _Kind] = {
    "pope": _Kind(_pope, SHORT, 2, shuffled=True),
    "gqa": _Kind(partial(_differing, draw=_described, counts=(32,)), SHORT, 3, shuffled=True),
    "vqav2": _Kind(partial(_differing, draw=_casual, counts=(5, 6)), SHORT, 3),
    "mme": _Kind(_mme, SHORT, 2),
    "single": _Kind(partial(_differing, draw=_casual, counts=(1,)), VIZWIZ, 3),
    "long": _Kind(partial(_differing, draw=_casual, counts=(1,)), "\nDescribe it.", 150),
}
