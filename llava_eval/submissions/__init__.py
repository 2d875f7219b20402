"""Predictions to the files that a benchmark's server, or its official scorer, takes.

`SUBMISSIONS` is the whole registry, by task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llava_eval.records import DataSet, Prediction


@dataclass(frozen=True)
class Submission:
    """How one benchmark wants its answers.

    Attributes:
        write: Data, predictions by id and a folder (it exists) to the files written there;
            raises `PredictionsError` where the server would refuse.
        goes_to: Where the files go, and whether that place still takes any.
    """

    write: Callable[[DataSet, Mapping[str, Prediction], Path], list[Path]]
    goes_to: str


SUBMISSIONS: dict[str, Submission] = {}
