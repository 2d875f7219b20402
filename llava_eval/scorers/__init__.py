"""Scorers: per sample `score`, per set `summarize`.

`SCORERS` is the whole registry. A scorer's version rises when one of its golden rows changes.
"""

from __future__ import annotations

from llava_eval.scorers.base import JudgedScorer, Scorer
from llava_eval.scorers.yes_no import POPE

SCORERS: dict[str, Scorer | JudgedScorer] = {"pope": POPE}

__all__ = ["SCORERS", "JudgedScorer", "Scorer"]
