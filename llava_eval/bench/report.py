"""What a report takes: `make bench-report`.

POPE's rows are invented around pictures like photographs, 640 x 480 JPEGs, all of them different;
a replayed run answers them, and its report is built with everything in it. Times are the
processor's, of all threads; peak memory is that of the process, which does nothing else.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from PIL import Image

from llava_eval.engines.replay import ReplayEngine
from llava_eval.records import Prediction
from llava_eval.report.build import build_report
from llava_eval.report.subject import read_subject
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.task import load_task

TASK = "pope"
CATEGORIES = ("adversarial", "popular", "random")
SIZE = (640, 480)
GRAIN = 16  # pixels of the smallest detail: such a JPEG is as large as one of COCO's


def main(arguments: list[str] | None = None) -> int:
    """Print what a report takes, as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.report")
    parser.add_argument("--rows", type=int, default=9000)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--words", type=int, default=1, help="of an answer")
    parser.add_argument("--images", default="auto", help="as for the report")
    parser.add_argument("--only", type=Path, help="measure this folder, in this process")
    options = parser.parse_args(arguments)
    if options.only:
        print(json.dumps(measure(options.only, options.images)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        invent_run(Path(folder), options.rows, options.pictures, options.words)
        command = [sys.executable, "-m", "llava_eval.bench.report", "--only", folder]
        return subprocess.run([*command, "--images", options.images], check=False).returncode  # noqa: S603 (ourselves)


def invent_run(folder: Path, rows: int, pictures: int, words: int = 1) -> None:
    """Write pictures, rows and a run that answers them.

    Args:
        folder: Gets the pictures, rows.jsonl and run/pope.
        rows: As evenly spread over the pictures as they can be.
        pictures: How many.
        words: Of each answer.
    """
    rng = random.Random(0)  # noqa: S311 (a draw, not a secret)
    for number in range(pictures):
        (folder / f"{number}.jpg").write_bytes(invent_picture(number))
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in _rows(rows, pictures, rng))
    task = load_task(TASK)
    data = read_samples(task, str(folder / "rows.jsonl"))
    answers = {
        sample.id: Prediction(sample.id, " ".join([rng.choice(("Yes", "No"))] * words), "stop")
        for sample in data.samples
    }
    engine = ReplayEngine(answers, "invented", "invented")
    run_task(task, data, engine, "invented", folder / "run" / TASK, False, Nobody())


def invent_picture(number: int) -> bytes:
    """Return a JPEG of 640 x 480 pixels, about 100 kB like one of COCO's."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 255, (SIZE[1] // GRAIN, SIZE[0] // GRAIN, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
    noise = rng.normal(0, 6, (SIZE[1], SIZE[0], 3))
    pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _rows(rows: int, pictures: int, rng: random.Random) -> Iterator[dict[str, str]]:
    for number in range(rows):
        picture = number * pictures // rows
        yield {
            "id": str(number),
            "question": f"Is there a {rng.choice(('dog', 'car', 'person', 'chair'))} in the image?",
            "answer": rng.choice(("yes", "no")),
            "image": f"{picture}.jpg",
            "image_source": f"picture_{picture}",
            "category": CATEGORIES[number % 3],
        }


def measure(folder: Path, images: str) -> dict[str, Any]:
    """Build the report of an invented run.

    Returns:
        Seconds of the processor and of the clock; bytes and files of the report; peak memory of
        the process before and after writing, in bytes.
    """
    cpu, wall = process_time(), perf_counter()
    subject = read_subject([folder / "run"])
    before, read = _peak(), process_time() - cpu
    build_report(subject, folder / "report", images=images)
    files = [path for path in (folder / "report").rglob("*") if path.is_file()]
    return {
        "rows": sum(len(run.scores) for run in subject.runs),
        "cpu_s_reading": round(read, 2),
        "cpu_s": round(process_time() - cpu, 2),
        "wall_s": round(perf_counter() - wall, 2),
        "bytes": sum(path.stat().st_size for path in files),
        "files": len(files),
        "peak_before_writing": before,
        "peak": _peak(),
    }


def _peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    sys.exit(main())
