"""The engine's benchmark as a picture: the time of each stage against the floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from llava_eval.engines.timing import ALL_STAGES

COLOURS = {
    "images": "#bbbbbb",
    "vision": "#ccbb44",
    "prefix": "#4477aa",
    "questions": "#66ccee",
    "decode": "#228833",
    "generate": "#aa3377",
    "idle": "#eeeeee",
    "other": "#ee6677",
}


def plot_stages(report: dict[str, Any], path: Path) -> None:
    """Draw for each workload the stages, stacked, per request, and the floor as a line."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    workloads = report["workloads"]
    bottoms = [0.0] * len(workloads)
    shown = [s for s in ALL_STAGES if any(found["stages"].get(s) for found in workloads.values())]
    for stage in shown:
        heights = [
            1000 * found["stages"].get(stage, 0) / found["requests"] for found in workloads.values()
        ]
        axes.bar(
            list(workloads), heights, bottom=bottoms, label=stage, color=COLOURS[stage], width=0.6
        )
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    for place, found in enumerate(workloads.values()):
        floor = 1000 * found["floor_seconds"] / found["requests"]
        label = "floor" if place == 0 else ""
        axes.hlines(floor, place - 0.4, place + 0.4, colors="black", linewidth=2, label=label)
        text = f"{found['speedup_vs_batch1']:.1f}x batch 1\n{found['floor_ratio']:.2f}x floor"
        axes.annotate(text, (place, max(bottoms[place], floor)), ha="center", va="bottom")
    axes.set_ylabel("ms of the processor per question")
    axes.set_ylim(0, 1.2 * max(bottoms))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
