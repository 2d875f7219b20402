"""Predictions to the files that a benchmark's server, or its official scorer, takes.

`SUBMISSIONS` is the whole registry, by task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llava_eval.errors import RunError, UsageError, why
from llava_eval.files import make_folder
from llava_eval.records import DataSet, Prediction
from llava_eval.samples import read_samples
from llava_eval.store import PREDICTIONS, read_predictions, read_run
from llava_eval.submissions.choice import (
    MMBENCH_SERVER,
    SEED_LEADERBOARD,
    write_mmbench,
    write_seedbench,
)
from llava_eval.submissions.exact import write_gqa
from llava_eval.submissions.rubric import write_mmvet
from llava_eval.submissions.vqa import write_vizwiz, write_vqav2
from llava_eval.submissions.yes_no import write_mme
from llava_eval.task import load_task


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


SUBMISSIONS: dict[str, Submission] = {
    "mmbench": Submission(write_mmbench, MMBENCH_SERVER),
    "mmbench_cn": Submission(write_mmbench, MMBENCH_SERVER),
    "seedbench": Submission(write_seedbench, SEED_LEADERBOARD),
    "gqa": Submission(write_gqa, "GQA's own eval.py, on your machine"),
    "mme": Submission(
        write_mme, "MME's own eval_tool (calculation.py --results_dir), on your machine"
    ),
    "vqav2": Submission(write_vqav2, "EvalAI, challenge 830: test-dev and test-standard"),
    "vizwiz": Submission(
        write_vizwiz, "EvalAI, challenge 2185, which has closed: only val can still be scored"
    ),
    "mmvet": Submission(
        write_mmvet,
        "MM-Vet's evaluator, mm-vet_evaluator.py or the Hub's Space whyu/MM-Vet_Evaluator",
    ),
}


def submit_run(
    folder: Path, source: str | None = None, out: Path | None = None, tasks_dir: Path | None = None
) -> tuple[list[Path], str]:
    """Write the submission of a finished run.

    Args:
        folder: A run folder.
        source: Where the rows are; by default where the run found them.
        out: Folder for the files; by default `submission` in the run folder.
        tasks_dir: A folder of the user's own cards.

    Returns:
        The files that were written, and where they go.

    Raises:
        UsageError: The benchmark takes no submissions.
        RunError: The run is of a draw, or the files cannot be written.
        PredictionsError: The server would refuse these answers.
    """
    run = read_run(folder)
    task = load_task(run["identity"]["task"], tasks_dir)
    if task.name not in SUBMISSIONS:
        raise UsageError(f"{folder}: {task.name} takes no submissions; it is scored locally")
    data = read_samples(task, source or run["environment"]["source"].removeprefix("hub:"))
    if data.digest != run["identity"]["data"]:
        raise RunError(f"{folder}: not a run of all rows of {data.source}; --limit, other --data?")
    if out is None:
        out = folder / "submission"
        make_folder(out)
    submission = SUBMISSIONS[task.name]
    try:
        out.mkdir(parents=True, exist_ok=True)
        return submission.write(data, read_predictions(folder / PREDICTIONS), out), (
            f"goes to: {submission.goes_to}"
        )
    except OSError as error:
        raise RunError(f"{out}: cannot be written: {why(error)}") from error
