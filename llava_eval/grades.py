"""A judge's replies on disk: seal, append, resume, read back.

    judge.json      who the judge is and how it is asked, sealed before the first reply
    grades.jsonl    one line per reply, appended as replies arrive; a call that failed for good
                    has a line with its error and no reply, and is made again by the next call

A line that we write has one reply and the reply's `place` among those about its sample. Files
of others may have all replies about a sample on one line; see `predictions.load_grades`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from llava_eval.digests import digest_of
from llava_eval.errors import PredictionsError, RunError
from llava_eval.files import append, json_text, write_json
from llava_eval.predictions import Grades, load_grades
from llava_eval.records import DataSet, Json, Prediction, Result, Score
from llava_eval.replies import Chat, Failure, Reply
from llava_eval.rows import Row, read_jsonl
from llava_eval.run_folder import cut_torn_line
from llava_eval.scoring import DIALECT, score_predictions
from llava_eval.store import GRADES, read_json
from llava_eval.task import Task

JUDGE = "judge.json"
PROVENANCE = ("finish", "model", "system_fingerprint", "prompt_tokens", "new_tokens", "retries")
NEVER_PLACED = "somebody put it there, so that who the judge was is not known"


@dataclass(frozen=True)
class Grading:
    """The replies in a run folder, and whose they are.

    Attributes:
        replies: By sample id.
        judge: Name, what it says it is, and when it was asked; "" if not known.
        dialect: In whose words it was asked.
    """

    replies: Grades = field(default_factory=dict)
    judge: str = ""
    dialect: str = DIALECT


class GradesFile:
    """The replies about one run, while they arrive.

    Attributes:
        path: Of `grades.jsonl`.
        replies: By sample id; grows with `append`.
        rows: The lines of earlier calls.
    """

    def __init__(self, path: Path, rows: list[Row]) -> None:
        self.path = path
        self.rows = rows
        self.replies: dict[str, tuple[str, ...]] = dict(load_grades(path)) if rows else {}

    @classmethod
    def open(cls, folder: Path, identity: Json, environment: Json) -> GradesFile:
        """Start grading a run, or go on with the same judge.

        Args:
            folder: Of the run; the caller holds its lock.
            identity: All that decides whether two replies may stand in one file.
            environment: What is worth knowing besides.

        Raises:
            RunError: Another judge graded this run, or nobody knows who did.
            PredictionsError: A line has another form.
        """
        path = folder / GRADES
        _seal(folder, identity, environment)
        cut_torn_line(path)
        return cls(path, read_jsonl(path) if path.exists() else [])

    def append(
        self,
        sample_id: str,
        chat: Chat,
        outcome: Reply | Failure,
        answer: str,
        estimated: bool = False,
    ) -> None:
        """Add a reply, or a call that failed; it is on the disk when this returns.

        Args:
            sample_id: Whose answer it is about.
            chat: What was asked.
            outcome: What came.
            answer: What it is about.
            estimated: Whether its tokens were not counted.

        Raises:
            RunError: The file cannot be written.
        """
        held = self.replies.get(sample_id, ())
        line = {"id": sample_id, **_said(outcome, len(held)), "answer": digest_of(answer)}
        line |= {"temperature": chat.temperature, "at": _now()}
        line |= {"estimated": True} if estimated else {}
        try:
            append(self.path, json_text(line).encode())
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written: {error.strerror}; the replies before it are "
                "kept, the same command continues"
            ) from error
        if isinstance(outcome, Reply):
            self.replies[sample_id] = (*held, outcome.text)


def _said(outcome: Reply | Failure, place: int) -> Json:
    if isinstance(outcome, Failure):
        return {"replies": [], "error": outcome.reason}
    more = {name: getattr(outcome, name) for name in PROVENANCE}
    said = {name: value for name, value in more.items() if value}
    return {"replies": [outcome.text], "place": place, **said}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _seal(folder: Path, identity: Json, environment: Json) -> None:
    path = folder / JUDGE
    advice = f"move {GRADES} and {JUDGE} away to grade anew"
    if not path.exists():
        if (folder / GRADES).exists():
            raise RunError(f"{folder / GRADES}: has no {JUDGE} beside it: {NEVER_PLACED}; {advice}")
        write_json(path, {"identity": identity, "environment": environment})
        return
    sealed = read_judge(folder)["identity"]
    for name in sorted(sealed.keys() | identity.keys()):
        if sealed.get(name) != identity.get(name):
            raise RunError(
                f"{path}: graded by another judge: {name} is {sealed.get(name)!r} there and "
                f"{identity.get(name)!r} now; {advice}"
            )


def read_judge(folder: Path) -> Json:
    """Read a `judge.json`.

    Raises:
        RunError: It is missing, broken, or lacks a part.
    """
    content = read_json(folder / JUDGE)
    identity = content.get("identity")
    if not isinstance(identity, dict) or not {"judge", "dialect"} <= identity.keys():
        raise RunError(f"{folder / JUDGE}: no identity with judge, dialect; not a file of ours")
    if identity.get("weights") and "decoding" not in identity:
        raise RunError(f"{folder / JUDGE}: identity: weights without decoding; not a file of ours")
    return content


def read_grading(folder: Path) -> Grading:
    """Read the replies in a run folder; none, if there are none.

    Raises:
        RunError: `judge.json` is broken.
        PredictionsError: A line of the replies has another form.
    """
    path = folder / GRADES
    if not path.exists():
        return Grading()
    replies = load_grades(path)
    if not (folder / JUDGE).exists() or not replies:
        return Grading(replies)
    identity = read_judge(folder)["identity"]
    return Grading(replies, judge_words(identity, read_jsonl(path)), str(identity["dialect"]))


def judge_words(identity: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Say who the judge was: its name, what the server said it is, and on which days.

    A judge whose weights are known is the same on every day.

    >>> row = Row({"replies": ["8 7"], "model": "m-0314", "at": "2026-05-01T10:00:00"}, "g", 1)
    >>> judge_words({"judge": "m"}, [row])
    'm (m-0314; 2026-05-01)'
    >>> judge_words({"judge": "m", "weights": "0a1b", "decoding": "greedy"}, [row])
    'm (weights 0a1b, greedy)'
    """
    name = str(identity["judge"])
    if identity.get("weights"):
        return f"{name} (weights {identity['weights']}, {identity['decoding']})"
    given = [row for row in rows if row["replies"]]
    versions = _distinct(given, "model") - {name}
    said = ", ".join([*sorted(versions), *sorted(_distinct(given, "system_fingerprint"))])
    days = sorted(at[:10] for at in _distinct(given, "at"))
    when = " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""
    words = "; ".join(filter(None, (said, when)))
    return f"{name} ({words})" if words else name


def _distinct(rows: Sequence[Row], name: str) -> set[str]:
    return {str(row[name]) for row in rows if row.get(name)}


def check_answers(path: Path, rows: Sequence[Row], predictions: Mapping[str, Prediction]) -> None:
    """Check that replies are about the answers that the run holds now.

    Raises:
        PredictionsError: One is about another answer.
    """
    for row in rows:
        held = predictions.get(str(row["id"]))
        about = row.get("answer")
        if about and row["replies"] and (held is None or digest_of(held.text) != about):
            raise PredictionsError(
                f"{row.where}: the judge's reply about {row['id']!r} is about another answer than "
                f"predictions.jsonl holds; move {path.name} and {JUDGE} away to grade anew"
            )


def score_graded(
    task: Task, data: DataSet, predictions: Mapping[str, Prediction], grading: Grading
) -> tuple[list[Score], Result]:
    """Score a run with what a judge said of it, over the rows given.

    Args:
        task: Whose rule.
        data: The rows; replies about others are left out.
        predictions: By sample id.
        grading: Of the run.

    Raises:
        PredictionsError: As `score_predictions`.
    """
    known = {sample.id for sample in data.samples}
    replies = {name: said for name, said in grading.replies.items() if name in known}
    return score_predictions(
        task, data, predictions, replies, judge=grading.judge, dialect=grading.dialect
    )
