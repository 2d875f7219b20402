"""Where fuzzing starts: good inputs, so that what follows the first check is reached."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from llava_eval.resources import resource
from llava_eval.scorers.relative import CATEGORIES
from tests.bad_input.case import hub_rows, lines
from tests.fuzz import judged, targets

FOUND = Path(__file__).parent / "found"
ANSWERS = ("A", "Yes, it is.", "The answer is B.", "2 dogs, 1,000", "0.5 because", "8 9\nx", "dont")


def _picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 10, 10)).save(file, form)
    return file.getvalue()


def _each(contents: Iterable[bytes]) -> list[bytes]:
    """Put the byte that chooses before each of some contents."""
    return [bytes([place]) + content for place, content in enumerate(contents)]


def _jsonl() -> list[bytes]:
    return _each(lines(hub_rows(task)[:2]).encode() for task in targets.TASKS)


def _json() -> list[bytes]:
    return _each(json.dumps(hub_rows(task)[:2]).encode() for task in targets.TASKS)


def _tsv() -> list[bytes]:
    return _each(_table(task) for task in targets.TASKS)


def _table(task: str) -> bytes:
    rows = hub_rows(task)[:2]
    cells = [[c if isinstance(c, str) else json.dumps(c) for c in row.values()] for row in rows]
    return "\n".join("\t".join(row) for row in [list(rows[0]), *cells]).encode()


def _parquet() -> list[bytes]:
    image = {"bytes": _picture("PNG"), "path": "a.png"}
    file = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist([{**row, "image": image} for row in hub_rows("pope")]), file
    )
    return [file.getvalue()]


def _saved() -> list[bytes]:
    folder = targets._saved_folder() / "good"
    return _each(path.read_bytes() for path in sorted(folder.iterdir()))


def _official() -> list[bytes]:
    folders = (files for _, files in targets.OFFICIAL_FOLDERS)
    return _each(text.encode() for files in folders for text in files.values())


def _card() -> list[bytes]:
    cards = sorted(resource("tasks").glob("*.yaml"))
    return [
        card.read_bytes().replace(f"name: {card.stem}\n".encode(), b"name: own\n") for card in cards
    ]


def _predictions() -> list[bytes]:
    ours = lines({"id": str(n), "text": "Yes", "finish": "stop"} for n in range(3))
    asked = hub_rows("textvqa")[0]
    llava = lines(
        [{"question_id": asked["image_id"], "prompt": asked["question"] + "\nx", "text": "7"}]
    )
    by_id = json.dumps({f"v1_{n}": "white" for n in range(4)})
    return [b"\0\0" + ours.encode(), b"\1\0" + llava.encode(), b"\5\1" + by_id.encode()]


def _grades() -> list[bytes]:
    return _each(
        lines([{"id": row["question_id"], "replies": ["0.5", "8 9\nwell"]}]).encode()
        for row in (hub_rows("mmvet")[0], hub_rows("llava_bench")[0])
    )


def _run_folder() -> list[bytes]:
    folder = targets._runs() / "b"
    return _each(path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix)


def _reply() -> list[bytes]:
    answer = {
        "model": "m",
        "system_fingerprint": "f",
        "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1},
    }
    refusal = {"error": {"message": "No such model", "code": 404}}
    contents = [json.dumps(answer).encode(), json.dumps(refusal).encode(), b"2.5"]
    return [*_each(contents), b"\2Wed, 21 Oct 2026 07:28:00 GMT"]


def _rules() -> list[bytes]:
    one = {"role": "Assistant", "prompt": "Rate both."}
    rule = {f"llava_bench_{category}": one for category in CATEGORIES}
    code = 'prompt = """Compare.\n"""\nprint(prompt)\n'
    notebook = {"cells": [{"cell_type": "code", "source": [code]}]}
    return _each([json.dumps(rule).encode(), code.encode(), json.dumps(notebook).encode(), b"Rate"])


def _judged() -> list[bytes]:
    folder = judged._judged()
    files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".jsonl"))
    return _each(path.read_bytes() for path in files)


def _checkpoint() -> list[bytes]:
    config = {"model_type": "llava", "text_config": {"model_type": "llama"}, "vision_config": {}}
    index = {"weight_map": {"a": "model.safetensors"}}
    return _each(
        json.dumps(content).encode() for content in (config, {}, {"eos_token_id": 2}, index)
    )


def _loading() -> list[bytes]:
    import transformers

    from tests.bad_input.checkpoints import good_checkpoint

    transformers.utils.logging.disable_progress_bar()
    return _each(path.read_bytes() for path in sorted(good_checkpoint().iterdir()))


def found(name: str) -> dict[str, bytes]:
    """Return what the fuzzer once found for a target: name of each file to its content."""
    return {path.name: path.read_bytes() for path in sorted(FOUND.glob(f"{name}-*"))}


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "jsonl": _jsonl,
    "json": _json,
    "tsv": _tsv,
    "parquet": _parquet,
    "saved": _saved,
    "official": _official,
    "card": _card,
    "predictions": _predictions,
    "grades": _grades,
    "answers": lambda: [text.encode() for text in ANSWERS],
    "image": lambda: [_picture(form) for form in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")],
    "checkpoint": _checkpoint,
    "loading": _loading,
    "run_folder": _run_folder,
    "reply": _reply,
    "prices": lambda: _each([judged.PRICES] * 2),
    "rules": _rules,
    "judged": _judged,
}
