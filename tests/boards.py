"""Run folders for tests of the table: real records, written as a run writes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from llava_eval.digests import digest_of
from llava_eval.engines.replay import ReplayEngine
from llava_eval.files import write_json
from llava_eval.published import load_published
from llava_eval.records import Estimate, Prediction, Result
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.scoring import DIALECT
from llava_eval.store import RESULT, RUN, result_to_json
from llava_eval.task import load_task

MODEL = {
    "model": "a-model",
    "weights": "0123456789abcdef",
    "engine": "hf",
    "family": "llava-1.5",
    "pad_to_square": True,
    "dtype": "float16",
    "attention": "sdpa",
}
FIELDS = ("prompt", "max_new_tokens", "scorer", "scorer_version", "primary")


def result_of(task: str, value: float | None = 85.0, error: float = 0.5, **changes: Any) -> Result:
    """A complete result on the published rows, unless changed."""
    card, published = load_task(task), load_published()
    rows, half = published.rows[task], 1.96 * error
    fields = {**card.protocol_fields, **{k: v for k, v in changes.items() if k in FIELDS}}
    headline = Estimate(None, None, None, rows)
    if value is not None:
        headline = Estimate(value, value - half, value + half, rows, error)
    result = Result(
        task=task,
        **fields,
        unit=card.unit,
        protocol=digest_of(fields),
        dialect=DIALECT,
        judge=published.setting.judges.get(task, ""),
        data="feedfeedfeedfeed",
        source="/data/rows.parquet",
        version=card.versions[rows],
        n=rows,
        unparsed=0,
        failed=0,
        missing=0,
        ungraded=0,
        drawn=False,
        known=True,
        metrics={fields["primary"]: headline},
    )
    return dataclasses.replace(result, **changes)


def write_run(
    folder: Path, result: Result, environment: dict[str, str] | None = None, **model: Any
):
    """Write the two files of a run that the table reads."""
    folder.mkdir(parents=True)
    identity = {"task": result.task, "data": result.data, **MODEL, **model}
    about = {"source": result.source, "version": result.version, **(environment or {})}
    write_json(folder / RUN, {"identity": identity, "environment": about})
    write_json(folder / RESULT, result_to_json(result))


def replayed(folder: Path, task: str, wrong: set[int], name: str, data: str = "mini") -> Result:
    """Run a task through the replay engine: all answers right but those in some places."""
    card = load_task(task)
    rows = read_samples(card, data)
    answers = {
        sample.id: Prediction(
            sample.id, "nothing of it" if place in wrong else sample.references[0]
        )
        for place, sample in enumerate(rows.samples)
    }
    return run_task(card, rows, ReplayEngine(answers, name, name), name, folder, False, Nobody())
