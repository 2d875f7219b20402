"""Real runs that end before their time, for tests of what is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

TASKS = ("pope", "textvqa")
# One image at a time: the answers come in 76 batches.
COMMAND = ["run", "--model", "demo", "--tasks", ",".join(TASKS), "--batch-size", "1"]

# Python loads this at its start. It sends the process a signal at the nth event of a kind, or some
# time later: Python tells its audit hooks of files that are opened or renamed, and of imports.
HOOK = """
import json, os, sys, threading

number, event, what, count, later = json.loads(os.environ["END_AT"])
seen = 0

def watch(name, arguments):
    global seen
    if name != event:
        return
    words = " ".join(str(each) for each in arguments[:2])
    if what in words:
        seen += 1
        if seen == count and later:
            threading.Timer(later, os.kill, (os.getpid(), number)).start()
        elif seen == count:
            os.kill(os.getpid(), number)

sys.addaudithook(watch)
"""


class Moment:
    """A moment at which a process gets a signal.

    It is the nth time that `event` inside of it is about `what`, and `later` seconds after that.
    """

    def __init__(
        self, stage: str, event: str, what: str, count: int = 1, later: float = 0.0
    ) -> None:
        self.stage, self.event, self.what, self.count = stage, event, what, count
        self.later = later

    def __repr__(self) -> str:
        return f"{self.stage}: {self.event} {self.what} {self.count}"


def start(
    out: Path, hooks: Path, moment: Moment | None = None, number: int = signal.SIGKILL
) -> Any:
    """Start the command that a user types."""
    environment = dict(os.environ)
    if moment:
        hooks.mkdir(exist_ok=True)
        (hooks / "sitecustomize.py").write_text(HOOK)
        places = [str(hooks), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(places)
        environment["END_AT"] = json.dumps(
            [number, moment.event, moment.what, moment.count, moment.later]
        )
    command = [sys.executable, "-m", "llava_eval", *COMMAND, "--out", str(out)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def end_at(out: Path, hooks: Path, moment: Moment, number: int = signal.SIGKILL) -> Any:
    """Run until a moment, send the signal, and return the process, its outputs read."""
    process = start(out, hooks, moment, number)
    process.output, process.errors = process.communicate(timeout=300)
    return process


def whole_lines(folder: Path) -> list[bytes]:
    """Return the lines of `predictions.jsonl` that end."""
    path = folder / "predictions.jsonl"
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1].splitlines(keepends=True)


def answers(folder: Path) -> dict[str, Any]:
    """Return everything about every answer, by id."""
    lines = [json.loads(line) for line in whole_lines(folder)]
    assert len({line["id"] for line in lines}) == len(lines)
    return {line["id"]: line for line in lines}


def moments(seed: int) -> list[Moment]:
    """Return twenty moments, in the order in which one run after the other comes to them."""
    chance = random.Random(seed)

    def appended(task: str, later: float = 0.0) -> Moment:
        what = f"{task}/predictions.jsonl a"
        return Moment("generating", "open", what, chance.randint(2, 4), later)

    def soon_after(task: str) -> Moment:  # wherever in the engine that is
        return appended(task, later=chance.uniform(0, 0.03))

    def scored(task: str) -> Moment:  # all is answered, so scoring comes right after this
        what = f"{task}/run.json."
        return Moment("scoring", "os.rename", what, later=chance.uniform(0.002, 0.03))

    loading = [
        Moment("loading", "import", name)
        for name in chance.sample(
            ["llava_eval.runner", "transformers", "torch.nn", "llava_eval.engines.hf"], k=3
        )
    ]
    loading.append(Moment("loading", "open", "processor_config.json"))
    writing = [
        Moment("writing", event, f"{{}}/{name}", count)
        for event, name, count in chance.sample(
            [
                ("open", "scores.jsonl.", 1),
                ("os.rename", "scores.jsonl.", 1),
                ("open", "result.json.", 1),
                ("os.rename", "result.json.", 1),
            ],
            k=4,
        )
    ]
    for moment, task in zip(writing, ("pope", "pope", "textvqa", "textvqa"), strict=True):
        moment.what = moment.what.format(task)
    return [
        *loading,
        *(soon_after("pope") for _ in range(4)),
        appended("pope"),
        appended("pope"),
        Moment("scoring", "os.rename", "pope/run.json.", 2),  # after the last answer
        scored("pope"),
        *writing[:2],
        *(soon_after("textvqa") for _ in range(2)),
        appended("textvqa"),
        Moment("scoring", "os.rename", "textvqa/run.json.", 2),
        *writing[2:],
    ]
