"""How fast the engine is, against plain `generate` and the floor: `make bench`.

A LLaVA with random weights answers invented questions in the shapes of five benchmarks, with
transformers' own `generate` at batch 1 and 8 and with the engine, in turns, so that all meet the
same machine. Times are medians, of the processor for this process on one thread; the clock's
stand beside. Every answer must be the same from all three. The floor (`floor`) is the necessary
work at the rate of the model's own matrix products, measured between the turns. With
`--peer-python` lmms-eval's own class takes one turn too, in a process of that interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

import torch
import transformers

from llava_eval.bench.contest import (
    Timing,
    matmul_rate,
    ours,
    timed,
    transformers_generate,
)
from llava_eval.bench.floor import STAGES, Floor, floor_of
from llava_eval.bench.models import SMALL, TINY, build_engine
from llava_eval.bench.peer_process import Peer, peer_interpreter, running_peer
from llava_eval.bench.plot import plot_stages
from llava_eval.bench.workloads import Workload, invent_workload, prompt_texts
from llava_eval.engines import EngineSettings
from llava_eval.engines.hf import HfEngine
from llava_eval.engines.timing import ALL_STAGES
from llava_eval.records import Json

IMAGES = {"pope": 3, "gqa": 2, "vqav2": 4, "mme": 6, "single": 8}
QUICK_IMAGES = {"pope": 2, "gqa": 1, "vqav2": 2, "mme": 2, "single": 2}
SHOWN = [stage for stage in ALL_STAGES if stage != "generate"]
RATE_ROWS = (620, 2480)  # tokens of one prefix, and of four together
ONE_TURN = ("lmms_eval", "batch8")  # they are as slow as batch 1, and nobody's yardstick


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark, write it, print it as Markdown; 1 if an answer differs."""
    parser = argparse.ArgumentParser(prog="python -m llava_eval.bench.engine", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/bench"), help="folder")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--workloads", nargs="+", choices=IMAGES, default=list(IMAGES))
    parser.add_argument("--quick", action="store_true", help="a tiny model, one turn: for tests")
    parser.add_argument(
        "--peer-python", type=peer_interpreter, help="an interpreter with the package lmms-eval"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    images = QUICK_IMAGES if options.quick else IMAGES
    workloads = [invent_workload(name, images[name]) for name in options.workloads]
    shape, rounds = (TINY, 1) if options.quick else (SMALL, options.rounds)
    settings = EngineSettings("random weights", device="cpu", dtype="float32")
    engine = build_engine(shape, prompt_texts(workloads), settings)
    engine.clock = thread_time
    with ExitStack() as stack:
        beside = options.peer_python and running_peer(options.peer_python, engine)
        peer = stack.enter_context(beside) if beside else None
        report = run(engine, workloads, rounds, peer)
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2) + "\n"
    (options.out / "engine.json").write_text(text, encoding="utf-8")
    plot_stages(report, options.out / "engine.png")
    print(markdown(report))
    return 0 if all(found["identical"] for found in report["workloads"].values()) else 1


def run(
    engine: HfEngine, workloads: list[Workload], rounds: int, peer: Peer | None = None
) -> dict[str, Any]:
    """Measure all workloads."""
    for workload in workloads:  # warm up: allocator, threads, kernels
        ours(engine, workload.requests[:2])
        transformers_generate(engine, workload.requests[:1], 1)
        if peer:
            peer.answer(workload.requests[:1])
    measured = {workload.name: measure(engine, workload, rounds, peer) for workload in workloads}
    rates = [rate for found in measured.values() for rate in found.pop("rates")]
    report = {"machine": machine(median(rates)), "model": sizes(engine), "workloads": measured}
    return report | ({"peer": peer.versions} if peer else {})


def measure(engine: HfEngine, workload: Workload, rounds: int, peer: Peer | None = None) -> Json:
    """Let all contestants take turns with one workload."""
    requests = workload.requests
    contestants: dict[str, Callable[[], Timing]] = {}
    if peer:
        contestants["lmms_eval"] = partial(peer.answer, requests)
    contestants |= {
        "batch1": partial(timed, engine, partial(transformers_generate, engine, requests, 1)),
        "ours": partial(timed, engine, partial(ours, engine, requests)),
        "batch8": partial(timed, engine, partial(transformers_generate, engine, requests, 8)),
    }
    turns: dict[str, list[Timing]] = {name: [] for name in contestants}
    rates = []
    for turn in range(rounds):
        for name, answer in contestants.items():
            if name in ONE_TURN and turn:
                continue
            if name == "ours":  # right before: the floor shall meet the same machine
                rates.append(matmul_rate(engine.model, RATE_ROWS))
            turns[name].append(answer())
            print(f"{workload.name} {name}: {turns[name][-1].cpu:.2f} s", file=sys.stderr)
    floor = floor_of(engine, workload, turns["batch1"][0].answers)
    middle = sorted(turns["ours"], key=lambda turn: turn.cpu)[len(rates) // 2]
    return _compared(workload, turns, floor, rates) | {"stages": middle.stages, "rates": rates}


def _compared(
    workload: Workload, turns: dict[str, list[Timing]], floor: Floor, rates: list[float]
) -> Json:
    reference = turns["batch1"][0].answers
    cpu = {name: median(turn.cpu for turn in timings) for name, timings in turns.items()}
    floors = [floor.total / rate for rate in rates]
    one, mine = ([turn.cpu for turn in turns[name]] for name in ("batch1", "ours"))
    found = {
        "requests": len(workload.requests),
        "images": floor.images,
        "distinct": floor.distinct,
        "distinct_answers": len({text for text, _, _ in reference.values()}),
        "speedup_vs_batch1": _median_ratio(one, mine),
        "batch8_vs_batch1": one[0] / turns["batch8"][0].cpu,
        "floor_ratio": _median_ratio(mine, floors),
        "least_ratio": _median_ratio(mine, [floor.least / rate for rate in rates]),
        "speedup_of_floor": _median_ratio(one, floors),
        "identical": all(turn.answers == reference for turn in turns["ours"]),
        "batch8_identical": all(turn.answers == reference for turn in turns["batch8"]),
        "peak_memory_bytes": max(turn.peak for turn in turns["ours"]),
        "peak_memory_bytes_batch1": max(turn.peak for turn in turns["batch1"]),
        "peak_memory_bytes_batch8": max(turn.peak for turn in turns["batch8"]),
        "cpu_seconds": cpu,
        "wall_seconds": {name: median(t.wall for t in turns[name]) for name in turns},
        "floor_seconds": median(floors),
        "floor": asdict(floor),
    }
    if "lmms_eval" in turns:
        found["lmms_eval_vs_batch1"] = one[0] / turns["lmms_eval"][0].cpu
    return found


def _median_ratio(these: list[float], those: list[float]) -> float:
    """Return the median of what each turn says, so that a slow minute spoils one turn only."""
    return median(this / that for this, that in zip(these, those, strict=True))


def machine(rate: float) -> Json:
    """Describe where it ran."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "matmul_gflops": rate / 1e9,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def sizes(engine: HfEngine) -> Json:
    """Describe the model."""
    vision, text = engine.model.config.vision_config, engine.model.config.text_config
    return {
        "parameters": sum(weights.numel() for weights in engine.model.parameters()),
        "vision_parameters": sum(w.numel() for w in engine.model.model.vision_tower.parameters()),
        "image_tokens": engine.image_length,
        "vision": [vision.hidden_size, vision.num_hidden_layers],
        "language": [text.hidden_size, text.num_hidden_layers],
        "dtype": str(engine.model.dtype).removeprefix("torch."),
        "attention": engine.model.config._attn_implementation,
    }


def markdown(report: dict[str, Any]) -> str:
    """Return two tables: the contest, and where the engine's time goes."""
    at, model = report["machine"], report["model"]
    peer = f"; lmms-eval {report['peer']['lmms_eval']}" if "peer" in report else ""
    lines = [
        f"{at['processor']}, {at['threads']} thread, {at['matmul_gflops']:.0f} GFLOP/s in the "
        f"model's own matrix products; {model['parameters'] / 1e6:.0f} million parameters, "
        f"{model['image_tokens']} image tokens, {model['dtype']}{peer}.",
        "",
        "| workload | questions (distinct) / images | batch 1, s | batch 8 |"
        f"{' lmms-eval |' if peer else ''} ours, s | speed-up |"
        " floor, s | ours / floor | ours / least | batch 1 / floor | same answers | peak, MiB |",
        f"|---|---|{'---:|' * (9 if peer else 8)}---|---:|",
    ]
    for name, found in report["workloads"].items():
        cpu = found["cpu_seconds"]
        beside = f"| {found['lmms_eval_vs_batch1']:.2f}x " if peer else ""
        lines.append(
            f"| {name} | {found['requests']} ({found['distinct']}) / {found['images']} "
            f"| {cpu['batch1']:.2f} | {found['batch8_vs_batch1']:.2f}x {beside}| {cpu['ours']:.2f} "
            f"| {found['speedup_vs_batch1']:.1f}x | {found['floor_seconds']:.2f} "
            f"| {found['floor_ratio']:.2f} | {found['least_ratio']:.2f} "
            f"| {found['speedup_of_floor']:.1f} "
            f"| {'yes' if found['identical'] else 'NO'} "
            f"| {found['peak_memory_bytes'] / 2**20:,.0f} |"
        )
    lines += [
        "",
        f"| share of ours (times its floor) | {' | '.join(SHOWN)} |",
        "|---|" + "---:|" * len(SHOWN),
    ]
    lines += [_stage_row(name, found) for name, found in report["workloads"].items()]
    return "\n".join(lines)


def _stage_row(name: str, found: Json) -> str:
    stages, floor = found["stages"], found["floor"]
    whole = sum(stages.values())
    rate = sum(floor[stage] for stage in STAGES) / found["floor_seconds"]
    cells = []
    for stage in SHOWN:
        seconds = stages.get(stage, 0.0)
        needed = floor[stage] / rate if stage in STAGES else 0.0
        times = f" ({seconds / needed:.2f})" if needed and seconds else ""
        cells.append(f"{seconds / whole:.1%}{times}")
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
