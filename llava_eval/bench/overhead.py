"""Everything that is not the model: `make bench-overhead`.

VQAv2's rows are invented and go the whole way, from the card to the result on disk, through the
real runner and engine. Only two things are left out: pictures are small and are not prepared, and
in place of the model every question gets the same two tokens. Each number of rows has a process
of its own, whose peak memory is noted after every stage; times are the processor's.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

ROWS = (20_000, 100_000)
PER_IMAGE = 214_354 / 40_504
TASK = "vqav2"


def main(arguments: list[str] | None = None) -> int:
    """Print the table of times and memory, as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.overhead")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="folder")
    parser.add_argument("--only", type=Path, help="measure this folder, in this process")
    options = parser.parse_args(arguments)
    if options.only:
        print(json.dumps(measure(options.only)))
        return 0
    found = []
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            invent_folder(Path(folder), rows)
            found.append(_in_own_process(Path(folder)))
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2) + "\n"
    (options.out / "overhead.json").write_text(text, encoding="utf-8")
    print(markdown(found))
    return 0


def invent_folder(folder: Path, rows: int) -> None:
    """Write rows.jsonl and small pictures, all of them different."""
    from llava_eval.bench.plain_vqa import records
    from llava_eval.bench.synthetic import CASES
    from llava_eval.bench.workloads import invent_workload, picture

    content = picture("overhead", (64, 48))
    for number in range(int(rows / PER_IMAGE) + 1):
        # What stands behind the end of a JPEG is not looked at, but makes it another file.
        (folder / f"{number}.jpg").write_bytes(content + number.to_bytes(4, "big"))
    questions = [request.text.split("\n")[0] for request in invent_workload(TASK, 500).requests]
    invented = CASES[TASK](random.Random(0))  # noqa: S311 (a draw, not a secret)
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for number, (sample, _, _) in zip(range(rows), invented, strict=False):
            image = int(number / PER_IMAGE)
            row = {
                "question_id": number,
                "question": questions[number % len(questions)],
                "image_id": image,
                "image": f"{image}.jpg",
                "answers": records(sample.references),
                **sample.groups,
            }
            file.write(json.dumps(row) + "\n")


def _in_own_process(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "llava_eval.bench.overhead", "--only", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Stopwatch:
    """Seconds of the processor, and the peak of memory at the end, by name of the stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}
        self._last = 0.0  # the first stage began with the process

    def lap(self, stage: str) -> None:
        """Give the time since the last lap to a stage."""
        import torch

        from llava_eval.engines.memory import peak_memory

        now = process_time()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self.memory[stage] = peak_memory(torch.device("cpu"))
        self._last = process_time()


def measure(folder: Path) -> dict[str, Any]:
    """Take a folder's rows the whole way."""
    started = perf_counter()
    watch = Stopwatch()
    engine = stub_engine(watch)
    from llava_eval.runner import Nobody, run_task
    from llava_eval.samples import read_samples
    from llava_eval.task import load_task, task_names

    watch.lap("start-up")
    tasks = {name: load_task(name) for name in task_names()}
    watch.lap("cards")
    data = read_samples(tasks[TASK], str(folder / "rows.jsonl"))
    watch.lap("rows")
    with (
        patch("llava_eval.engines.attempts.Sharing", StubSharing),
        patch.object(engine, "pixels", lambda image: None),
    ):
        result = run_task(tasks[TASK], data, engine, "stub", folder / "run", False, Nobody())
    watch.lap("scoring and result")
    return {
        "rows": result.n,
        "failed": result.failed,
        "seconds": watch.seconds,
        "wall": perf_counter() - started,
        "memory": watch.memory,
    }


class StubSharing:
    """Answers every question with the same two tokens, where a model would work."""

    def __init__(self, model: Any, eos: Sequence[int], *others: Any) -> None:
        self.eos = eos
        self.busy: list[Any] = []

    def answer(self, groups: Iterator[Any]) -> Iterator[list[Any]]:
        """Write the answers where the engine looks for them, 32 images at a time."""
        while some := list(islice(groups, 32)):
            for group in some:
                for question in group.questions:
                    question.new += [300, self.eos[0]]
            yield some


def stub_engine(watch: Stopwatch) -> Any:
    """Return the engine around a model that is never called, with laps before each answer."""
    from llava_eval.bench.models import TINY, build_engine
    from llava_eval.bench.workloads import invent_workload, prompt_texts
    from llava_eval.engines import EngineSettings

    settings = EngineSettings("stub", device="cpu", dtype="float32")
    engine: Any = build_engine(TINY, prompt_texts([invent_workload(TASK, 100)]), settings)
    generate = engine.generate

    def timed(requests: Sequence[Any]) -> Iterator[Any]:
        watch.lap("requests")
        stage = "hashing, tokenising, grouping"  # all that comes before the first batch
        for predictions in generate(requests):
            watch.lap(stage)
            yield predictions
            watch.lap("writing answers")
            stage = "batches"
        watch.lap(stage)

    engine.generate = timed
    return engine


def markdown(found: list[dict[str, Any]]) -> str:
    """Return a table of stages, and a sentence on memory."""
    sizes = " | ".join(f"{one['rows']:,} rows, s | peak, MiB" for one in found)
    lines = [f"| stage | {sizes} |", "|---|" + "---:|---:|" * len(found)]
    for stage in found[-1]["seconds"]:
        cells = " | ".join(
            f"{one['seconds'][stage]:.2f} | {one['memory'][stage] / 2**20:,.0f}" for one in found
        )
        lines.append(f"| {stage} | {cells} |")
    totals = " | ".join(f"{sum(one['seconds'].values()):.2f} | " for one in found)
    lines += [f"| together | {totals} |", ""]
    first, last = found[0], found[-1]
    peaks = [max(one["memory"].values()) for one in (first, last)]
    clock = f"{last['rows']:,} rows took {last['wall']:.1f} s by the clock"
    if last["rows"] == first["rows"]:
        return "\n".join([*lines, f"{clock}."])
    slope = (peaks[1] - peaks[0]) / (last["rows"] - first["rows"])
    return "\n".join([*lines, f"{clock}; each row more takes {slope:,.0f} bytes more memory."])


if __name__ == "__main__":
    sys.exit(main())
