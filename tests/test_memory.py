"""What is held at once: neither rows nor pictures heap up."""

import io
import json
import tracemalloc
import weakref

import pytest
from PIL import Image

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.records import ImageRef, Request
from llava_eval.samples import read_samples
from llava_eval.task import load_task
from tests.tiny import make_checkpoint


def vqav2_row(number):
    answers = [{"answer": "yes", "answer_confidence": "yes", "answer_id": n} for n in range(10)]
    return {
        "question_id": number,
        "question": f"Is this picture number {number}?",
        "image_id": number // 5,
        "image": f"{number // 5}.jpg",
        "answers": answers,
        "question_type": "is this",
        "answer_type": "yes/no",
    }


@pytest.mark.parametrize("kind", ["jsonl", "saved"])
def test_a_row_is_gone_when_the_next_one_is_read(tmp_path, kind):
    rows = [vqav2_row(number) for number in range(5000)]
    path = tmp_path / kind
    if kind == "saved":
        import datasets

        pictures = [{"image": {"bytes": b"", "path": None}}] * len(rows)
        data = datasets.Dataset.from_list([a | b for a, b in zip(rows, pictures, strict=True)])
        data.cast_column("image", datasets.Image()).save_to_disk(path)
    else:
        path = path.with_suffix(".jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = load_task("vqav2")
    read_samples(task, str(path))  # what is imported on the way does not count
    tracemalloc.start()
    try:
        samples = read_samples(task, str(path)).samples
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / len(samples) < 1500
    assert peak / len(samples) < 2500


def most_pictures(engine, count, batch_size, monkeypatch):
    """Return how many pictures were held at once, decoded or prepared."""
    alive, counts = set(), []
    prepare = engine.pixels

    def watched(thing):
        alive.add(id(thing))
        weakref.finalize(thing, alive.discard, id(thing))
        counts.append(len(alive))
        return thing

    def ref(number):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (number % 256, number // 256, 0)).save(buffer, "PNG")
        return ImageRef(str(number), buffer.getvalue)

    engine.settings = EngineSettings(engine.checkpoint.name, batch_size=batch_size)
    asked = [Request(str(number), "Red?", (ref(number),), 1) for number in range(count)]
    with monkeypatch.context() as patch:
        patch.setattr(engine, "pixels", lambda image: watched(prepare(watched(image))))
        answers = [prediction for batch in engine.generate(asked) for prediction in batch]
    assert [prediction.error for prediction in answers] == [""] * count
    return max(counts)


def test_the_pictures_held_at_once_do_not_grow_with_their_number(tmp_path, monkeypatch):
    engine = load_engine(EngineSettings(str(make_checkpoint(tmp_path))))
    found = [most_pictures(engine, count, 4, monkeypatch) for count in (40, 400)]
    assert max(found) <= 20, found
