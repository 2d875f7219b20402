"""Figures of a report: matplotlib, at a paper's widths, each from one function.

    from llava_eval.report.figures import draw_all, save
    from llava_eval.report.subject import read_subject

    subject = read_subject(["results/runs/demo"])
    for drawn in draw_all(subject):
        save(drawn.figure, Path("figures") / f"{drawn.name}.png")

A function that has nothing to draw returns None.
"""

from __future__ import annotations

from llava_eval.report.figures.confusion import letters
from llava_eval.report.figures.distributions import lengths, yes_share
from llava_eval.report.figures.draw import (
    FIGURES,
    FORMATS,
    TASK_FIGURES,
    Drawn,
    draw_all,
    draw_task,
    save,
    save_all,
)
from llava_eval.report.figures.forest import forest
from llava_eval.report.figures.groups import groups
from llava_eval.report.figures.inline import as_svg
from llava_eval.report.figures.paired import paired
from llava_eval.report.figures.radar import radar
from llava_eval.report.figures.throughput import speed

__all__ = [
    "FIGURES",
    "FORMATS",
    "TASK_FIGURES",
    "Drawn",
    "as_svg",
    "draw_all",
    "draw_task",
    "forest",
    "groups",
    "lengths",
    "letters",
    "paired",
    "radar",
    "save",
    "save_all",
    "speed",
    "yes_share",
]
