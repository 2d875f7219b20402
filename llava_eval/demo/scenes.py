"""Scenes of handwritten digits: everything the demo checkpoint can see.

A scene is data (which digits, where, in which colour, on which background); `draw` turns it into
pixels. Digits stand in cells of 56 pixels, so that each covers exactly 2 x 2 patches of the vision
tower once the image is padded to a square and resized: digits placed freely cost 14 points of digit
accuracy at the same number of steps.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits, load_sample_image

Split = Literal["train", "test"]
Kind = Literal["single", "several", "strip", "empty"]

CELL = 56
SPLIT_SEED = 20240
TEST_DIGITS = 500
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (235, 64, 52),
    "green": (60, 200, 75),
    "blue": (80, 130, 255),
    "yellow": (250, 220, 50),
    "purple": (190, 80, 230),
    "white": (245, 245, 245),
}
KINDS: tuple[Kind, ...] = ("single", "several", "strip", "empty")
KIND_WEIGHTS = (0.25, 0.47, 0.25, 0.03)
GRIDS = ((3, 3), (2, 3), (3, 2))
STRIP_GRID = (1, 3)
PHOTOS = ("china.jpg", "flower.jpg")


@dataclass(frozen=True)
class Digit:
    """One handwritten digit in a scene.

    Attributes:
        value: 0 to 9.
        colour: Key in `COLOURS`.
        row: Row of its cell, from the top.
        col: Column of its cell, from the left.
        glyph: Row of the handwriting in scikit-learn's `load_digits`.
        size: Side in pixels, at most `CELL`.
        dx: Pixels from the left edge of the cell.
        dy: Pixels from the top edge of the cell.
    """

    value: int
    colour: str
    row: int
    col: int
    glyph: int
    size: int
    dx: int
    dy: int

    @property
    def word(self) -> str:
        """The value as an English word."""
        return NUMBER_WORDS[self.value]


@dataclass(frozen=True)
class Background:
    """What lies behind the digits: a plain dark colour, or a piece of a darkened photo.

    Attributes:
        colour: Plain colour, used where `photo` is None.
        photo: Index into `PHOTOS`, or None.
        left: Left edge of the piece, in pixels of the photo.
        top: Top edge of the piece.
    """

    colour: tuple[int, int, int] = (0, 0, 0)
    photo: int | None = None
    left: int = 0
    top: int = 0


@dataclass(frozen=True)
class Scene:
    """A whole image as data; `digits` are in reading order."""

    kind: Kind
    rows: int
    cols: int
    digits: tuple[Digit, ...]
    background: Background

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.cols * CELL, self.rows * CELL

    @property
    def number(self) -> str:
        """The digits read from left to right, as a string of numerals."""
        return "".join(str(digit.value) for digit in self.digits)


@lru_cache(maxsize=1)
def _handwriting() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    data = load_digits()
    return (data.images * (255 / 16)).round().astype(np.uint8), data.target


@lru_cache(maxsize=2)
def glyphs(split: Split) -> tuple[tuple[int, ...], ...]:
    """List the handwritings of one split, by the value they show.

    The split is stratified and random. The same writers are in both halves: a score on "test"
    measures new drawings, not new writers.

    Args:
        split: "train" (1,297 drawings) or "test" (500).

    Returns:
        Ten tuples of row numbers of `load_digits`, one per value.
    """
    _, values = _handwriting()
    rng = np.random.default_rng(SPLIT_SEED)
    chosen = []
    for value in range(10):
        rows = rng.permutation(np.flatnonzero(values == value))
        cut = round(len(rows) * TEST_DIGITS / len(values))
        part = rows[:cut] if split == "test" else rows[cut:]
        chosen.append(tuple(int(row) for row in part))
    return tuple(chosen)


@lru_cache(maxsize=2)
def _photo(index: int) -> Image.Image:
    """Darken, smooth and posterise a photo: digits stand out, and a PNG stays below 10 kB."""
    smooth = Image.fromarray(load_sample_image(PHOTOS[index])).filter(ImageFilter.MedianFilter(7))
    return smooth.point([level * 2 // 5 // 20 * 20 for level in range(256)] * 3)


def _random_background(rng: random.Random, split: Split, size: tuple[int, int]) -> Background:
    if rng.random() < 0.5:
        return Background(colour=(rng.randrange(70), rng.randrange(70), rng.randrange(70)))
    photo = rng.randrange(len(PHOTOS))
    width, height = _photo(photo).size
    # The two splits share no pixel: left 60 % of each photo against right 35 %.
    first, last = (0, 0.6 * width) if split == "train" else (0.65 * width, width)
    left = rng.randint(int(first), int(last) - size[0])
    return Background(photo=photo, left=left, top=rng.randint(0, height - size[1]))


def _random_digit(rng: random.Random, split: Split, value: int, cell: tuple[int, int]) -> Digit:
    size = rng.randint(50, CELL)
    return Digit(
        value=value,
        colour=rng.choice(tuple(COLOURS)),
        row=cell[0],
        col=cell[1],
        glyph=rng.choice(glyphs(split)[value]),
        size=size,
        dx=rng.randint(0, CELL - size),
        dy=rng.randint(0, CELL - size),
    )


def _strip(rng: random.Random, split: Split) -> tuple[Digit, ...]:
    """Two or three neighbouring digits of one colour, to be read as one number."""
    length = rng.choice((2, 3))
    first = rng.randint(0, STRIP_GRID[1] - length)
    colour = rng.choice(tuple(COLOURS))
    digits = [
        _random_digit(rng, split, rng.randrange(10), (0, first + place)) for place in range(length)
    ]
    return tuple(replace(digit, colour=colour) for digit in digits)


def _scattered(
    rng: random.Random, split: Split, grid: tuple[int, int], count: int
) -> tuple[Digit, ...]:
    """Digits of different values in different cells, in reading order."""
    cells = [(row, col) for row in range(grid[0]) for col in range(grid[1])]
    values = rng.sample(range(10), count)
    places = sorted(rng.sample(cells, count))
    return tuple(
        _random_digit(rng, split, value, cell) for value, cell in zip(values, places, strict=True)
    )


def seeded(purpose: str) -> random.Random:
    """Create a source of randomness that depends on its purpose alone."""
    return random.Random(purpose)  # noqa: S311 - reproducible by design, protects nothing


def random_scene(rng: random.Random, split: Split, kind: Kind | None = None) -> Scene:
    """Invent a scene.

    Args:
        rng: Source of all randomness: the same state gives the same scene.
        split: Which half of the handwritings and of the photos to use.
        kind: "single", "several" (2 to 4 digits, all different), "strip" (a number of 2 or 3
            digits in one colour) or "empty"; drawn at random when None.

    Returns:
        The scene. Strips are 168 x 56 pixels, all others 168 x 168, 168 x 112 or 112 x 168.

    >>> random_scene(seeded("doctest"), "test", "strip").size
    (168, 56)
    """
    kind = kind or rng.choices(KINDS, KIND_WEIGHTS)[0]
    grid = STRIP_GRID if kind == "strip" else rng.choice(GRIDS)
    if kind == "strip":
        digits = _strip(rng, split)
    else:
        count = rng.randint(2, 4) if kind == "several" else int(kind == "single")
        digits = _scattered(rng, split, grid, count)
    background = _random_background(rng, split, (grid[1] * CELL, grid[0] * CELL))
    return Scene(kind, grid[0], grid[1], digits, background)


def _backdrop(scene: Scene) -> Image.Image:
    behind = scene.background
    if behind.photo is None:
        return Image.new("RGB", scene.size, behind.colour)
    width, height = scene.size
    box = (behind.left, behind.top, behind.left + width, behind.top + height)
    return _photo(behind.photo).crop(box)


def _warp(rng: random.Random | None, size: int) -> tuple[float, ...]:
    """Coefficients of PIL's affine map from a size x size canvas onto the 8 x 8 handwriting."""
    turn, shear, scale = (rng.gauss(0, 1) for _ in range(3)) if rng else (0.0, 0.0, 0.0)
    angle = np.deg2rad(6 * turn)
    step = 8 / size * (1 + 0.06 * scale)
    across = step * np.cos(angle), step * (np.sin(angle) + 0.07 * shear)
    down = -step * np.sin(angle), step * np.cos(angle)
    half = size / 2
    return (
        *across,
        4 - half * sum(across),
        *down,
        4 - half * sum(down),
    )


def _mask(digit: Digit, rng: random.Random | None) -> Image.Image:
    drawing = Image.fromarray(_handwriting()[0][digit.glyph])
    side = (digit.size, digit.size)
    return drawing.transform(
        side, Image.Transform.AFFINE, _warp(rng, digit.size), Image.Resampling.BICUBIC
    )


def draw(scene: Scene, augment: random.Random | None = None) -> Image.Image:
    """Paint a scene.

    Args:
        scene: What to paint.
        augment: Turns, shears and scales every digit a little; for training only.

    Returns:
        An RGB image of `scene.size`; the same pixels at every call when `augment` is None.
    """
    canvas = _backdrop(scene)
    for digit in scene.digits:
        corner = (digit.col * CELL + digit.dx, digit.row * CELL + digit.dy)
        canvas.paste(COLOURS[digit.colour], corner, _mask(digit, augment))
    return canvas
