"""A judge's replies on disk: seal, append, resume, read back.

    judge.json      who the judge is and how it is asked, sealed before the first reply; what
                    each command's calls took
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

from llava_eval.digests import digest_of
from llava_eval.errors import PredictionsError, RunError, brief, why
from llava_eval.files import append, json_text, write_json
from llava_eval.judge_record import JudgeRecord, judge_record
from llava_eval.predictions import TOKENS, Grades, grades_of
from llava_eval.records import DataSet, Json, Prediction, Result, Score
from llava_eval.replies import Chat, Failure, Reply
from llava_eval.rows import Row, read_jsonl
from llava_eval.run_folder import cut_torn_line
from llava_eval.scoring import DIALECT, score_predictions
from llava_eval.store import GRADES, read_json
from llava_eval.task import Task

JUDGE = "judge.json"
PROVENANCE = ("finish", "model", "system_fingerprint", *TOKENS, "retries")
NEVER_PLACED = "somebody put it there, so that who the judge was is not known"
KNOWN_LATER = {"decoding"}  # of a local judge, once it is loaded
ANEW = f"move {GRADES} and {JUDGE} away to grade anew"


@dataclass(frozen=True)
class Grading:
    """The replies in a run folder, and whose they are.

    Attributes:
        replies: By sample id.
        dialect: In whose words the judge was asked.
        record: Who the judge was, and when it was asked.
        rows: The lines that the replies are from.
    """

    replies: Grades = field(default_factory=dict)
    dialect: str = DIALECT
    record: JudgeRecord = field(default_factory=JudgeRecord)
    rows: Sequence[Row] = field(default=(), compare=False, repr=False)

    @property
    def judge(self) -> str:
        """Name of the judge, what it says it is, and when it was asked; "" if not known."""
        return self.record.words


class GradesFile:
    """The replies about one run, while they arrive.

    Attributes:
        path: Of `grades.jsonl`.
        replies: By sample id; grows with `append`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replies = grades_of(read_jsonl(path)) if path.exists() else {}

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
        check_seal(folder, identity)
        judge: Json = {"identity": identity, "environment": environment}
        if (folder / JUDGE).exists():
            judge = read_judge(folder)
            judge["resumed"] = [*judge.get("resumed", []), environment]
        write_json(folder / JUDGE, judge)
        cut_torn_line(folder / GRADES)
        return cls(folder / GRADES)

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
                f"{self.path}: cannot be written: {why(error)}; the replies before it are "
                "kept, the same command continues"
            ) from error
        if isinstance(outcome, Reply):
            self.replies[sample_id] = (*held, outcome.text)


def _said(outcome: Reply | Failure, place: int) -> Json:
    said = {name: value for name in PROVENANCE if (value := getattr(outcome, name, None))}
    if isinstance(outcome, Failure):
        return {"replies": [], "error": outcome.reason, **said}
    return {"replies": [outcome.text], "place": place, **said}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def check_seal(folder: Path, identity: Json) -> None:
    """Check that the replies in a run folder, if there are any, are by the same judge.

    Args:
        folder: Of the run.
        identity: All that is known of the judge and of how it is asked; what is `KNOWN_LATER`
            may be left out.

    Raises:
        RunError: Another judge graded this run, or nobody knows who did.
    """
    path = folder / JUDGE
    if not path.exists():
        if (folder / GRADES).exists():
            raise RunError(f"{folder / GRADES}: has no {JUDGE} beside it: {NEVER_PLACED}; {ANEW}")
        return
    sealed = read_judge(folder)["identity"]
    for name in sorted(sealed.keys() - KNOWN_LATER | identity.keys()):
        if sealed.get(name) != identity.get(name):
            raise RunError(
                f"{path}: graded by another judge: {name} is {brief(sealed.get(name))} there and "
                f"{brief(identity.get(name))} now; {ANEW}"
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
    for name in ("resumed", "efforts"):
        if not isinstance(content.get(name, []), list):
            raise RunError(f"{folder / JUDGE}: {name} is {brief(content[name])}, must be a list")
    return content


def note_effort(folder: Path, effort: Json) -> None:
    """Add to `judge.json` what the calls of one command took.

    Raises:
        RunError: It is broken, or cannot be written.
    """
    judge = read_judge(folder)
    write_json(folder / JUDGE, judge | {"efforts": [*judge.get("efforts", []), effort]})


def read_grading(folder: Path) -> Grading:
    """Read the replies in a run folder; none, if there are none.

    Raises:
        RunError: `judge.json` is broken.
        PredictionsError: A line of the replies has another form.
        DataError: The replies cannot be read.
    """
    path = folder / GRADES
    if not path.exists():
        return Grading()
    if not (folder / JUDGE).exists():
        return read_grades(path)
    rows = read_jsonl(path, torn=True)
    replies = grades_of(rows)
    if not replies:
        return Grading(rows=rows)
    identity = read_judge(folder)["identity"]
    return Grading(replies, str(identity["dialect"]), judge_record(identity, rows), rows)


def read_grades(path: Path) -> Grading:
    """Read a file of replies of which nobody says whose they are.

    Raises:
        PredictionsError: A line has another form.
        DataError: It cannot be read.
    """
    rows = read_jsonl(path)
    return Grading(grades_of(rows), rows=rows)


def check_answers(grading: Grading, predictions: Mapping[str, Prediction]) -> None:
    """Check that replies are about the answers at hand, as far as they say what they are about.

    Raises:
        PredictionsError: One is about another answer.
    """
    for row in grading.rows:
        held = predictions.get(str(row["id"]))
        about = row.get("answer")
        if about and row["replies"] and (held is None or digest_of(held.text) != about):
            what = "an answer that is not at hand" if held is None else "another answer"
            raise PredictionsError(
                f"{row.where}: the judge's reply to {brief(row['id'])} is about {what}; "
                f"give the answers that were graded, or {ANEW}"
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
        PredictionsError: As `score_predictions`; or a reply is about another answer.
    """
    check_answers(grading, predictions)
    known = {sample.id for sample in data.samples}
    replies = {name: said for name, said in grading.replies.items() if name in known}
    return score_predictions(
        task, data, predictions, replies, judge=grading.judge, dialect=grading.dialect
    )
