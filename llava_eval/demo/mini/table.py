"""What the builders of all mini splits share: pictures, image cells, questions about pictures."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from PIL import Image

from llava_eval.demo.catalogue import ask
from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import KINDS, Scene, draw, random_scene

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TRIES = 1000

Row = dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """A scene, drawn.

    Attributes:
        scene: What it shows.
        name: Unique in its split, as the stem of a file's name.
        cell: The image as a cell of a Hugging Face image column.
    """

    scene: Scene
    name: str
    cell: dict[str, Any]


def png(image: Image.Image) -> bytes:
    """Encode an image as PNG, as small as Pillow makes it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def image_cell(scene: Scene, name: str) -> dict[str, Any]:
    """Return a scene as a cell of a Hugging Face image column."""
    return {"bytes": png(draw(scene)), "path": f"{name}.png"}


def draw_scenes(rng: random.Random, counts: dict[str, int]) -> list[Scene]:
    """Invent held-out scenes, so many of each kind, in shuffled order."""
    scenes = [random_scene(rng, "test", kind) for kind in KINDS for _ in range(counts.get(kind, 0))]
    rng.shuffle(scenes)
    return scenes


def picture(scene: Scene, number: int, stem: str = "digits_{:04d}") -> Picture:
    """Draw a scene and name it by its number."""
    name = stem.format(number)
    return Picture(scene, name, image_cell(scene, name))


def draw_pictures(
    rng: random.Random, counts: dict[str, int], stem: str = "digits_{:04d}"
) -> list[Picture]:
    """Draw held-out scenes, so many of each kind, in shuffled order."""
    scenes = draw_scenes(rng, counts)
    return [picture(scene, number, stem) for number, scene in enumerate(scenes)]


def ask_some(
    rng: random.Random, scene: Scene, types: Sequence[str], count: int
) -> list[tuple[str, Question]]:
    """Ask questions of different types and wording about one scene.

    Args:
        rng: Source of randomness.
        scene: What is asked about.
        types: Keys in `catalogue.QUESTION_TYPES`, each used once at most.
        count: How many questions; fewer come back where the scene carries fewer types.

    Returns:
        Pairs of type and question.
    """
    asked: dict[str, tuple[str, Question]] = {}
    for name in rng.sample(list(types), len(types)):
        question = ask(name, rng, scene)
        if question and len(asked) < count:
            asked.setdefault(question.text, (name, question))
    return list(asked.values())


def ask_until(
    rng: random.Random, name: str, scene: Scene, fits: Callable[[Question], bool]
) -> Question:
    """Ask one type of question about a scene until the question fits.

    Raises:
        ValueError: It never does.
    """
    for _ in range(TRIES):
        question = ask(name, rng, scene)
        if question and fits(question):
            return question
    raise ValueError(f"no {name} question about this scene of kind {scene.kind} fits")


class Deck:
    """Deals pictures in turn: each that carries the wanted type, before any of them again."""

    def __init__(self, rng: random.Random, pictures: Sequence[Picture]) -> None:
        self.rng = rng
        self.queue = list(pictures)

    def deal(self, name: str) -> Picture:
        """Return the picture that has waited longest of those that carry a question type."""
        able = next(p for p in self.queue if ask(name, self.rng, p.scene))
        self.queue.remove(able)
        self.queue.append(able)
        return able
