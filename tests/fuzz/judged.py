"""What is fuzzed of judges and servers: replies, prices, the user's words, and a graded run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from llava_eval.endpoint import Usage
from llava_eval.files import json_text
from llava_eval.grades import GRADES
from llava_eval.judges.grading import finish, grade
from llava_eval.judges.judge import JudgeSettings
from llava_eval.judges.session import open_session
from llava_eval.judges.wording import choose_wording
from llava_eval.prices import load_prices
from llava_eval.records import Json, Prediction
from llava_eval.replies import (
    BadReplyError,
    Chat,
    Reply,
    read_reply,
    tell,
    wait_asked_for,
    words_of,
)
from llava_eval.report.markdown import markdown
from llava_eval.report.subject import read_subject
from llava_eval.runner import Nobody
from llava_eval.store import prediction_line, read_predictions
from llava_eval.task import load_task
from tests.bad_input.case import hub_rows, lines
from tests.boards import replayed
from tests.fuzz.places import chosen, file_of, place

URL = "http://127.0.0.1:9/v1"  # which nobody asks
PRICES = b'{"currency": "USD", "models": {"m": {"input": 2.5, "output": 10}}}'


def reply(data: bytes) -> None:
    """Read what a server sends: an answer, an error, or how long to wait."""
    kind, content = chosen(data, ["answer", "error", "wait"])
    if kind == "wait":
        wait = wait_asked_for({"retry-after": content.decode("latin-1")})
        assert wait is None or wait >= 0
        return
    try:
        found = read_reply(content)
    except BadReplyError as error:
        tell(str(error), "secret")
    else:
        _used_and_stored(found)
    if kind == "error":
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            return
        assert "\n" not in tell(words_of(body), "secret")


def _used_and_stored(found: Reply) -> None:
    usage = Usage()
    usage.add(found)
    path = file_of("prices.json", PRICES)
    assert load_prices(path).of("m").cost(usage.prompt_tokens, usage.new_tokens) >= 0
    stored = Prediction("1", found.text, found.finish, "", found.prompt_tokens, found.new_tokens)
    path = file_of("predictions.jsonl", json_text(prediction_line(stored)).encode())
    assert read_predictions(path) == {"1": stored}


def prices(data: bytes) -> None:
    """Read a table of prices, and reckon with it."""
    suffix, content = chosen(data, (".json", ".yaml"))
    for price in load_prices(file_of(f"own-prices{suffix}", content)).models.values():
        assert price.cost(10**6, 10**3) >= 0


def rules(data: bytes) -> None:
    """Read the user's copy of a judge's words."""
    (name, suffix), content = chosen(data, RULES)
    task = load_task(name)
    assert task.judge is not None
    assert choose_wording(task, task.judge, [file_of(f"rules{suffix}", content)]).dialect


RULES = (("llava_bench", ".json"), ("mmvet", ".py"), ("mmvet", ".ipynb"), ("mmvet", ".txt"))


def judged(data: bytes) -> None:
    """Go on with the judging of a run of which one file is replaced, and show it."""
    good = _judged()
    names = sorted(path.name for path in good.iterdir() if path.suffix in (".json", ".jsonl"))
    name, content = chosen(data, names)
    for other in names:
        path = file_of(
            f"judging/{other}", content if other == name else (good / other).read_bytes()
        )
    settings = JudgeSettings("m", base_url=URL, prices=file_of("prices.json", PRICES), budget=1.0)
    with open_session([path.parent], settings) as session:
        for job in session.jobs:
            grade(job, Invented(), session.budget, Nobody())
            finish(job)
        assert session.lines()
    markdown(read_subject([path.parent]))


@cache
def _judged() -> Path:
    """Make a run of MM-Vet of which the judge was not asked about everything."""
    source = str(file_of("mmvet-rows.jsonl", lines(hub_rows("mmvet")).encode()))
    replayed(place() / "judged", "mmvet", {1}, "a", source)
    settings = JudgeSettings("m", base_url=URL, prices=file_of("prices.json", PRICES), budget=1.0)
    with open_session([place() / "judged"], settings) as session:
        for job in session.jobs:
            grade(job, Invented(), session.budget, Nobody())
            finish(job)
    path = place() / "judged" / GRADES
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    return place() / "judged"


class Invented:
    """A judge that finds everything half right."""

    def ask(self, chats: Iterable[tuple[Any, Chat]]) -> Iterator[tuple[Any, Reply]]:
        """Answer each."""
        for key, _ in chats:
            yield key, Reply("0.5", "stop", "m-1", "f", 100, 3)

    def identity(self) -> Json:
        """Name it."""
        return {"judge": "m", "engine": "server"}

    def environment(self) -> Json:
        """Say nothing."""
        return {}
