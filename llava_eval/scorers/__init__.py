"""Scorers: per sample `score`, per set `summarize`.

`SCORERS` is the whole registry. A scorer's version rises when one of its golden rows changes.
"""

from __future__ import annotations

from llava_eval.scorers.base import JudgedScorer, Scorer
from llava_eval.scorers.choice import SCIENCEQA, SEEDBENCH
from llava_eval.scorers.circular import MMBENCH
from llava_eval.scorers.exact import GQA
from llava_eval.scorers.relative import LLAVA_BENCH
from llava_eval.scorers.rubric import MMVET
from llava_eval.scorers.vqa import TEXTVQA, VIZWIZ, VQAV2
from llava_eval.scorers.yes_no import MME, POPE

SCORERS: dict[str, Scorer | JudgedScorer] = {
    "mmbench": MMBENCH,
    "scienceqa": SCIENCEQA,
    "seedbench": SEEDBENCH,
    "textvqa": TEXTVQA,
    "vizwiz": VIZWIZ,
    "vqav2": VQAV2,
    "llava_bench": LLAVA_BENCH,
    "mmvet": MMVET,
    "gqa": GQA,
    "mme": MME,
    "pope": POPE,
}

__all__ = ["SCORERS", "JudgedScorer", "Scorer"]
