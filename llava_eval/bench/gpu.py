"""LLaVA-1.5-7B's true shape on one GPU, in bfloat16 with random weights: `make bench-gpu`.

Nothing is downloaded: the weights are drawn on the device. Each workload is answered by the
engine, and a few of its requests by transformers' own `generate` one at a time. Times are the
clock's, with the device synchronised. What a full benchmark takes is its necessary work (`floor`,
from its numbers of questions and pictures and the tokens of the workload most like it) at the
pace that this workload reached. In bfloat16 the answers of random weights flip with any change of
the batch; how many do is printed and means nothing for a trained model.

Without a GPU a tiny model makes a dry pass on the processor, which shows only that all works.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from llava_eval.bench.contest import (
    matmul_rate,
    ours,
    transformers_generate,
)
from llava_eval.bench.floor import STAGES, floor_of
from llava_eval.bench.full_size import FULL_SIZES, FullSize
from llava_eval.bench.models import LLAVA_7B, TINY, build_engine
from llava_eval.bench.workloads import Workload, invent_workload, prompt_texts
from llava_eval.engines import EngineSettings
from llava_eval.engines.hf import HfEngine
from llava_eval.engines.timing import ALL_STAGES, BESIDE, Clock
from llava_eval.engines.timing import STAGES as TIMED
from llava_eval.records import Json

PICTURES = {"pope": 96, "gqa": 32, "vqav2": 96, "mme": 128, "single": 128, "long": 32}
DRY = dict.fromkeys(PICTURES, 2)
ONE_BY_ONE = 16  # requests of each workload that plain generate answers, too
RATE_ROWS = (2480, 9920)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark, write it, print it as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="folder")
    parser.add_argument("--batch-size", type=int, default=EngineSettings.batch_size)
    parser.add_argument("--attention", default=EngineSettings.attention)
    options = parser.parse_args(arguments)
    dry = not torch.cuda.is_available()
    if dry:
        print("No GPU: a dry pass with a tiny model on the processor. Its figures mean nothing.\n")
    settings = EngineSettings(
        "random weights",
        device="cpu" if dry else "cuda",
        dtype="bfloat16",
        attention=options.attention,
        batch_size=options.batch_size,
    )
    workloads = [invent_workload(name, n) for name, n in (DRY if dry else PICTURES).items()]
    engine = build_engine(TINY if dry else LLAVA_7B, prompt_texts(workloads), settings)
    report = {"dry": dry} | run(engine, workloads)
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2) + "\n"
    (options.out / "gpu.json").write_text(text, encoding="utf-8")
    print(markdown(report))
    return 0


def run(engine: HfEngine, workloads: list[Workload]) -> dict[str, Any]:
    """Measure all workloads, and say what the full benchmarks would take."""
    clock = clock_of(engine.model.device)
    ours(engine, workloads[0].requests[:40])  # warm up: kernels, allocator
    transformers_generate(engine, workloads[0].requests[:1], 1)
    rate = matmul_rate(engine.model, RATE_ROWS, clock)
    measured = {work.name: measure(engine, work, clock, rate) for work in workloads}
    return {
        "machine": engine.environment() | {"matmul_tflops": rate / 1e12},
        "workloads": measured,
        "benchmarks": {size.name: full_size(size, measured[size.shape]) for size in FULL_SIZES},
    }


def clock_of(device: torch.device) -> Clock:
    """Return a clock that waits for the device before it tells the time."""

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return perf_counter()

    return synchronised if device.type == "cuda" else perf_counter


def measure(engine: HfEngine, workload: Workload, clock: Clock, rate: float) -> Json:
    """Time the engine on one workload, and plain generate on a few of its requests."""
    start = clock()
    answers = ours(engine, workload.requests)
    seconds = clock() - start
    performance = engine.performance()
    few = workload.requests[:ONE_BY_ONE]
    start = clock()
    plain = transformers_generate(engine, few, 1)
    plain_seconds = (clock() - start) / len(few)
    floor = floor_of(engine, workload, answers)
    stages = performance["stages"]
    return {
        "requests": len(workload.requests),
        "images": floor.images,
        "seconds": seconds,
        "per_second": len(workload.requests) / seconds,
        "speedup_vs_batch1": plain_seconds * len(workload.requests) / seconds,
        "flipped": sum(answers[key] != plain[key] for key in plain) / len(plain),
        "floor_seconds": floor.total / rate,
        "share_of_rate": floor.total / rate / seconds,
        "peak_memory_bytes": performance["peak_memory_bytes"],
        "stages": stages,
        "limit": limiting(stages),
        "floor": asdict(floor),
    }


def limiting(stages: dict[str, float]) -> str:
    """Name the stage that takes longest; where the model waits, that is the pictures."""
    longest = max(TIMED, key=lambda stage: stages.get(stage, 0.0))
    return BESIDE if longest == "idle" else longest


def full_size(size: FullSize, measured: Json) -> Json:
    """Scale a workload to a full benchmark, by necessary work.

    Work for pictures grows with the number of pictures, work for questions with that of
    questions; the pace is the workload's.
    """
    floor = measured["floor"]
    pictures = (floor["vision"] + floor["prefix"]) * size.images / measured["images"]
    questions = (floor["questions"] + floor["decode"]) * size.questions / measured["requests"]
    pace = sum(floor[stage] for stage in STAGES) / measured["seconds"]
    return {
        "questions": size.questions,
        "images": size.images,
        "seconds": (pictures + questions) / pace,
        "local": size.local,
        "like": size.shape,
        "source": size.source,
    }


def markdown(report: dict[str, Any]) -> str:
    """Return two tables: the workloads, and the benchmarks in full size."""
    at = report["machine"]
    lines = [
        f"{at['hardware']}, torch {at['torch']}, transformers {at['transformers']}, batches of "
        f"{at['batch_size']}; {at['matmul_tflops']:.3g} TFLOP/s in the model's own products.",
        "",
        "| workload | questions / images | per s | speed-up | share of rate | limits "
        f"| peak, GiB | flipped | {' | '.join(ALL_STAGES)} |",
        "|---|---|---:|---:|---:|---|---:|---:|" + "---:|" * len(ALL_STAGES),
    ]
    for name, found in report["workloads"].items():
        stages = " | ".join(f"{found['stages'].get(s, 0):.2f}" for s in ALL_STAGES)
        lines.append(
            f"| {name} | {found['requests']} / {found['images']} | {found['per_second']:.1f} "
            f"| {found['speedup_vs_batch1']:.1f}x | {found['share_of_rate']:.0%} "
            f"| {found['limit']} | {found['peak_memory_bytes'] / 2**30:.1f} "
            f"| {found['flipped']:.0%} | {stages} |"
        )
    lines += ["", "| benchmark | questions | images | minutes | like | scored |"]
    lines += ["|---|---:|---:|---:|---|---|"]
    for name, size in report["benchmarks"].items():
        lines.append(
            f"| {name} | {size['questions']:,} | {size['images']:,} | {size['seconds'] / 60:.1f} "
            f"| {size['like']} | {'here' if size['local'] else 'by a server or judge'} |"
        )
    sizes = report["benchmarks"].values()
    every, here = (sum(s["seconds"] for s in sizes if s["local"] or not only) for only in (0, 1))
    lines += ["", f"All together {every / 60:.1f} minutes, those scored here {here / 60:.1f}."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
