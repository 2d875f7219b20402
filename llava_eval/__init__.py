"""Evaluate LLaVA checkpoints on the benchmarks of the LLaVA-1.5 table.

>>> import llava_eval
>>> "pope" in llava_eval.task_names()
True
"""

from llava_eval.comparison import Comparison, compare
from llava_eval.engines import EngineSettings
from llava_eval.errors import LlavaEvalError
from llava_eval.judges.judge import JudgeSettings
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.records import Estimate, Prediction, Result, Sample
from llava_eval.runner import evaluate
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task, task_names
from llava_eval.version import __version__

__all__ = [
    "Comparison",
    "EngineSettings",
    "Estimate",
    "JudgeSettings",
    "LlavaEvalError",
    "Prediction",
    "Result",
    "Sample",
    "__version__",
    "compare",
    "evaluate",
    "load_grades",
    "load_predictions",
    "load_task",
    "read_samples",
    "score_predictions",
    "task_names",
]
