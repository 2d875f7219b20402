"""How a number was made: everything that is recorded of it, and the command that makes it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from llava_eval.digests import digest_of
from llava_eval.grades import JUDGE, read_judge
from llava_eval.records import Json
from llava_eval.report.subject import TaskRun
from llava_eval.store import GRADES, PREDICTIONS
from llava_eval.task import task_names

# Fields of a result that say what the number is; its figures stand in the tables.
FIGURES = ("metrics", "groups", "notes", "bounds")
FLAGS = {
    "family": "--family",
    "revision": "--revision",
    "dtype": "--dtype",
    "attention": "--attn",
}


def provenance_of(run: TaskRun) -> dict[str, list[tuple[str, str]]]:
    """Return what is recorded of a run: heading to fields and their values.

    Args:
        run: Of one task.
    """
    parts = {
        "What decides the number (run.json, identity)": run.side.run["identity"],
        "What it ran on (run.json, environment)": run.side.run["environment"],
        "What was scored (result.json)": {
            name: value for name, value in run.side.result.items() if name not in FIGURES
        },
        "Files": _files(run),
    }
    efforts = run.side.run.get("efforts")
    if isinstance(efforts, list):
        numbered = {f"part {number}": effort for number, effort in enumerate(efforts, 1)}
        parts["What answering took (run.json, efforts)"] = numbered
    return {heading: list(_fields(part)) for heading, part in parts.items()}


def reproduce(run: TaskRun) -> list[str]:
    """Return the commands that make a number again: from the model, and from its answers alone.

    A judged run has the judge's between them; see `not_recorded` for what they may lack.

    >>> import types
    >>> identity = {"model": "org/my model", "task": "pope", "engine": "hf", "dtype": "float16"}
    >>> run = {"identity": identity, "environment": {}}
    >>> none = types.SimpleNamespace(replies={})
    >>> side = types.SimpleNamespace(run=run, source="hub", grading=none)
    >>> result = types.SimpleNamespace(drawn=False, n=9, judge="")
    >>> task = types.SimpleNamespace(name="pope")
    >>> reproduce(TaskRun("m", "runs/pope", task, result, side))[0]
    "llava-eval run --model 'org/my model' --tasks pope --data hub --engine hf --dtype float16"
    """
    name, source, folder = run.task.name, run.side.source, run.folder
    own = [] if name in task_names() else ["--tasks-dir", str(run.task.home)]
    answers = f"{folder}/{PREDICTIONS}"
    score = ["llava-eval", "score", name, "--data", source, "--predictions", answers, *own]
    if run.side.grading.replies:
        score += ["--grades", f"{folder}/{GRADES}"]
    replayed = run.side.run["identity"].get("engine") == "replay"
    commands = [] if replayed else [[*_run_command(run), *own]]
    if judge := _judge_command(run):
        commands.append([*judge, *own])
    return [shlex.join(words) for words in (*commands, score)]


def not_recorded(run: TaskRun) -> list[str]:
    """Say what the commands of `reproduce` lack, one line each."""
    identity, found = run.side.run["identity"], []
    if identity.get("engine") == "replay":
        found.append("The answers were read from a file: there is no model to ask again.")
    if identity.get("engine") == "server":
        device = run.side.run["environment"].get("device", "a server")
        found.append(f"Add --base-url: of {device}, only the host is recorded.")
    if run.side.grading.replies and not _judge_command(run):
        found.append("Who the judge was is not recorded; its replies are in grades.jsonl.")
    elif run.side.grading.replies:
        found.append("The judge's --judge-rules and --judge-runs, if it had any, are to be added.")
    return found


def _judge_command(run: TaskRun) -> list[str]:
    if not run.side.grading.replies or not (run.folder / JUDGE).exists():
        return []
    sealed = read_judge(run.folder)
    words = [
        "llava-eval",
        "judge",
        str(run.folder),
        "--judge-model",
        str(sealed["identity"]["judge"]),
    ]
    if engine := sealed["identity"].get("engine"):
        words += ["--judge-engine", str(engine)]
    environment = sealed.get("environment")
    if isinstance(environment, dict) and environment.get("base_url"):
        words += ["--judge-base-url", str(environment["base_url"])]
    return words


def _run_command(run: TaskRun) -> list[str]:
    identity, environment = run.side.run["identity"], run.side.run["environment"]
    words = ["llava-eval", "run", "--model", str(identity["model"]), "--tasks", run.task.name]
    words += ["--data", run.side.source]
    if engine := identity.get("engine"):
        words += ["--engine", str(engine)]
    for field, flag in FLAGS.items():
        if value := identity.get(field):
            words += [flag, str(value)]
    if environment.get("until") is not None:
        words += ["--until", str(environment["until"])]
    elif run.result.drawn:
        words += ["--limit", str(run.result.n)]
    if environment.get("sharing") is False:
        words.append("--exact")
    elif environment.get("batch_size") is not None:
        server = identity.get("engine") == "server"
        words += ["--concurrency" if server else "--batch-size", str(environment["batch_size"])]
    return words


def _files(run: TaskRun) -> Mapping[str, Any]:
    lines = sorted(
        (answer.id, answer.text, answer.error) for answer in run.side.predictions.values()
    )
    return {
        "folder": str(run.folder),
        "predictions": f"{len(lines):,}",
        "digest of predictions (id, text, error)": digest_of(lines),
    }


def _fields(part: Json | Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        yield name, str(value) if plain else json.dumps(value, ensure_ascii=False)
