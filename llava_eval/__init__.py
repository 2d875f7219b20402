"""Evaluate LLaVA checkpoints on the benchmarks of the LLaVA-1.5 table.

A public name is imported when it is first used, so that `llava-eval --help` is there at once.

>>> import llava_eval
>>> "pope" in llava_eval.task_names()
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from llava_eval.version import __version__

if TYPE_CHECKING:
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

_MODULES = {
    "Comparison": "comparison",
    "compare": "comparison",
    "EngineSettings": "engines",
    "LlavaEvalError": "errors",
    "JudgeSettings": "judges.judge",
    "load_grades": "predictions",
    "load_predictions": "predictions",
    "Estimate": "records",
    "Prediction": "records",
    "Result": "records",
    "Sample": "records",
    "evaluate": "runner",
    "read_samples": "samples",
    "score_predictions": "scoring",
    "load_task": "task",
    "task_names": "task",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"llava_eval.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
