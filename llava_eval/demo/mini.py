"""Build the mini splits: small data sets in the exact schema of the real ones.

`python -m llava_eval.demo.mini --out tasks/mini` writes every split that is committed there, byte
for byte. All digits and backgrounds come from the held-out half.
"""

from __future__ import annotations

import argparse
import io
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from llava_eval.demo.scenes import COLOURS, KINDS, NUMBER_WORDS, Scene, draw, random_scene, seeded
from llava_eval.demo.short import article

POPE_IMAGES = {"single": 10, "several": 20, "strip": 10}
POPE_SEED = "mini pope 1"
COLOUR_NAMES = tuple(COLOURS)
CATEGORIES = ("adversarial", "popular", "random")

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
POPE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("image_source", pa.string()),
        ("image", IMAGE_TYPE),
        ("category", pa.string()),
    ]
)


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


def _words(scene: Scene) -> list[str]:
    return list(dict.fromkeys(digit.word for digit in scene.digits))


def _absent_at_random(rng: random.Random, scene: Scene, popular: list[str]) -> list[str]:
    """List the digits that are not in the image, in random order."""
    absent = [word for word in NUMBER_WORDS if word not in _words(scene)]
    return rng.sample(absent, len(absent))


def _absent_but_popular(rng: random.Random, scene: Scene, popular: list[str]) -> list[str]:
    """List the digits that are not in the image, the most frequent of the split first."""
    return [word for word in popular if word not in _words(scene)]


def _positives(scene: Scene, coloured: bool) -> list[str]:
    """Name the digits that are in the image."""
    colours = {digit.word: f"{digit.colour} " if coloured else "" for digit in scene.digits}
    return [f"{colour}{word}" for word, colour in colours.items()]


def _negatives(
    rng: random.Random, scene: Scene, category: str, popular: list[str], coloured: bool
) -> list[str]:
    """Name digits that are not in the image, or in the adversarial case not in this colour."""
    if category == "adversarial":
        worn = {(digit.colour, digit.word) for digit in scene.digits}
        pairs = [(colour, word) for word in _words(scene) for colour in rng.sample(COLOUR_NAMES, 6)]
        free = {word: colour for colour, word in pairs if (colour, word) not in worn}
        return [f"{colour} {word}" for word, colour in free.items()]
    absent = _absent_at_random if category == "random" else _absent_but_popular
    words = absent(rng, scene, popular)
    return [f"{rng.choice(scene.digits).colour} {word}" if coloured else word for word in words]


def _pope_questions(
    rng: random.Random, scene: Scene, category: str, popular: list[str], coloured: bool
) -> list[tuple[str, str]]:
    """Pair nouns and answers about one image, yes and no in turn as in POPE.

    A colour in the noun must not give the answer away: within a category, an image's positive and
    negative nouns are all coloured or all plain.
    """
    coloured = coloured or category == "adversarial"
    count = 2 if scene.kind == "several" and len(scene.digits) > 2 else 1
    yes = [(noun, "yes") for noun in _positives(scene, coloured)]
    no = [(noun, "no") for noun in _negatives(rng, scene, category, popular, coloured)]
    pairs = list(zip(yes, no, strict=False))[:count]
    return [row for pair in pairs for row in pair]


def pope() -> pa.Table:
    """Build the POPE mini split, which asks whether a digit is in the image.

    Negative questions ask for a digit picked at random ("random"), for the most frequent absent
    digit ("popular"), or for a digit that is there in another colour ("adversarial"). Half the
    answers are yes; the positive questions of every second image are the same in all categories.

    Returns:
        Rows in the schema of `lmms-lab/POPE`.
    """
    rng = seeded(POPE_SEED)
    scenes = draw_scenes(rng, POPE_IMAGES)
    frequency = Counter(word for scene in scenes for word in _words(scene))
    popular = sorted(NUMBER_WORDS, key=lambda word: (-frequency[word], word))
    names = [f"digits_{number:04d}" for number in range(len(scenes))]
    cells = [image_cell(scene, name) for scene, name in zip(scenes, names, strict=True)]
    rows: list[dict[str, Any]] = []
    for category in CATEGORIES:
        first = len(rows)
        for number, scene in enumerate(scenes):
            asked = _pope_questions(rng, scene, category, popular, coloured=number % 2 == 0)
            for noun, answer in asked:
                rows.append(
                    {
                        "id": str(len(rows)),
                        "question_id": str(len(rows) - first + 1),
                        "question": f"Is there {article(noun)} in the image?",
                        "answer": answer,
                        "image_source": names[number],
                        "image": cells[number],
                        "category": category,
                    }
                )
    return pa.Table.from_pylist(rows, schema=POPE_SCHEMA)


MINI_SPLITS: dict[str, Callable[[], pa.Table]] = {"pope": pope}


def write_split(task: str, folder: Path) -> Path:
    """Build one split and write it.

    Args:
        task: Key in `MINI_SPLITS`.
        folder: Where `<task>.parquet` goes.

    Returns:
        The file; the same bytes at every call with the same versions of Pillow and pyarrow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{task}.parquet"
    # Images repeat from row to row: dictionary encoding stores each of them once.
    pq.write_table(MINI_SPLITS[task](), path, compression="zstd", use_dictionary=True)
    return path


def main() -> None:
    """Parse the command line and write the mini splits."""
    parser = argparse.ArgumentParser(description="Build the mini splits.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the splits")
    parser.add_argument("--task", choices=sorted(MINI_SPLITS), help="only this one")
    options = parser.parse_args()
    for task in [options.task] if options.task else sorted(MINI_SPLITS):
        path = write_split(task, options.out)
        print(f"{path} {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
