"""What a run's answers look like beside their score: lengths, yes, letters, outcomes, speed.

Pure functions over a `TaskRun`. Those that need rows return None, or nothing, without them.
"""

from __future__ import annotations

import itertools
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from llava_eval.errors import RunError, brief
from llava_eval.records import MOST_COUNTED, Prediction, Score
from llava_eval.report.subject import TaskRun
from llava_eval.store import RUN

# How a sample ended; the letter is what the browser's data has. Nobody but the browser, which
# shows rows that a draw left out, needs "not asked".
OUTCOMES = {
    "right": "r",
    "partly": "p",
    "wrong": "w",
    "unparsed": "u",
    "failed": "f",
    "missing": "m",
    "ungraded": "g",
    "not asked": "-",
}
UNREAD = "unread"
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Lengths:
    """How long the answers of a run are; failed requests have none.

    Attributes:
        words: Of each answer, by white space, in the order of the predictions.
        new_tokens: Of each answer whose tokens were counted, the end of sequence included.
        limit: Most tokens that an answer may have.
        cut: Answers that ended at that limit.
    """

    words: tuple[int, ...]
    new_tokens: tuple[int, ...]
    limit: int
    cut: int


@dataclass(frozen=True)
class YesShare:
    """How often a run says yes, and how often yes is right.

    Attributes:
        group: Of the benchmark; "" for all rows.
        n: Rows that have an answer.
        yes: Answers that are read as yes.
        other: Answers that are neither yes nor no.
        expected: Rows of these whose reference is yes.
    """

    group: str
    n: int
    yes: int
    other: int
    expected: int


@dataclass(frozen=True)
class LetterMatrix:
    """Which letter was the answer, and which was given.

    Attributes:
        letters: Rows, and columns but for the last.
        counts: Shape (letters, letters + 1): the reference's row, the answer's column; the last
            column is for answers that hold no letter, or one that is no reference's.
    """

    letters: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Headings of the columns."""
        return (*self.letters, UNREAD)

    @property
    def n(self) -> int:
        """Number of answers."""
        return sum(map(sum, self.counts))

    @property
    def bias(self) -> tuple[float, ...]:
        """By letter, how much more often it is given than it is right, as a share of answers.

        >>> LetterMatrix(("A", "B"), ((2, 0, 0), (1, 1, 0))).bias
        (0.25, -0.25)
        """
        given = [sum(row[place] for row in self.counts) for place in range(len(self.letters))]
        pairs = zip(given, map(sum, self.counts), strict=True)
        return tuple((answers - right) / max(1, self.n) for answers, right in pairs)


@dataclass(frozen=True)
class Stretch:
    """What one call, or one round of drawing, answered.

    Attributes:
        answered: Requests in it.
        seconds: What it took.
        before: Requests that earlier stretches answered.
        began: Seconds that earlier stretches took; the time between them is not known.
        stages: Name of a stage to its seconds.
        progress: Seconds since its beginning and requests answered by then, on the way.
    """

    answered: int
    seconds: float
    before: int = 0
    began: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    progress: tuple[tuple[float, float], ...] = ()

    @property
    def rate(self) -> float:
        """Answers per second; 0 where it took no time."""
        return self.answered / self.seconds if self.seconds else 0.0


def outcome_of(score: Score) -> str:
    """Name how a sample ended: a key of `OUTCOMES`.

    "right" is the full value and "wrong" none of it; "unparsed" is said of answers that the
    rule cannot read, whatever the benchmark makes of them.
    """
    if score.status != "scored":
        return score.status
    if score.value is None:
        return "ungraded"
    return "right" if score.value >= 1 else "wrong" if score.value <= 0 else "partly"


def outcomes(run: TaskRun) -> dict[str, int]:
    """Count how the samples of a run ended; outcomes that no sample has are left out."""
    found = Counter(map(outcome_of, run.scores))
    return {name: found[name] for name in OUTCOMES if found[name]}


def in_natural_order(names: Sequence[str]) -> list[str]:
    """Put names that differ by a number at their end in its order, where they stand together.

    >>> in_natural_order(["science", "grade1", "grade10", "grade2"])
    ['science', 'grade1', 'grade2', 'grade10']
    """
    parts = [re.fullmatch(r"(.*?)(\d+)", name, re.DOTALL) for name in names]
    found: list[str] = []
    for stem, group in itertools.groupby(
        zip(names, parts, strict=True), key=lambda pair: pair[1] and pair[1][1]
    ):
        members = [name for name, _ in group]
        found += members if stem is None else sorted(members, key=lambda n: int(n[len(stem) :]))
    return found


def answer_lengths(run: TaskRun) -> Lengths:
    """Measure the answers of a run; needs no rows."""
    answers = [answer for answer in run.side.predictions.values() if not answer.failed]
    return Lengths(
        tuple(len(answer.text.split()) for answer in answers),
        tuple(answer.new_tokens for answer in answers if answer.new_tokens),
        run.result.max_new_tokens,
        sum(answer.finish == "length" for answer in answers),
    )


def yes_shares(run: TaskRun) -> tuple[YesShare, ...]:
    """Count yes and no, overall and in each group of the result.

    Returns:
        Nothing for a benchmark that does not ask for yes or no, or without rows.
    """
    answered = [score for score in run.scores if score.value is not None]
    if not answered or not all(_expects(score) in (YES, NO) for score in answered):
        return ()
    named = {name for score in answered for name in score.sample.groups.values()}
    shares = [_yes_share("", answered)]
    for group in run.result.groups:
        if group in named:
            members = [score for score in answered if group in score.sample.groups.values()]
            shares.append(_yes_share(group, members))
    return tuple(shares)


def _expects(score: Score) -> str:
    references = score.sample.references
    return references[0].casefold() if len(references) == 1 else ""


def _yes_share(group: str, scores: Sequence[Score]) -> YesShare:
    said = Counter(score.parsed for score in scores)
    expected = sum(_expects(score) == YES for score in scores)
    return YesShare(group, len(scores), said[YES], len(scores) - said[YES] - said[NO], expected)


def letter_matrix(run: TaskRun) -> LetterMatrix | None:
    """Count which letter was given for which; every rotation of an MMBench question counts.

    Returns:
        None for a benchmark without lettered options, or without rows that have an answer.
    """
    answered = [score for score in run.scores if score.value is not None]
    right = [_letter(score) for score in answered]
    if not answered or not all(right):
        return None
    letters = tuple(sorted({*right}))
    pairs = Counter(
        (wanted, _given(score, letters)) for wanted, score in zip(right, answered, strict=True)
    )
    columns = (*letters, UNREAD)
    return LetterMatrix(letters, tuple(tuple(pairs[r, c] for c in columns) for r in letters))


def _letter(score: Score) -> str:
    """Return the reference of a question with lettered options; "" if that is not one."""
    references = score.sample.references
    if len(references) != 1 or references[0] not in tuple(string.ascii_uppercase):
        return ""
    return references[0] if score.sample.choices else ""


def _given(score: Score, letters: Sequence[str]) -> str:
    return score.parsed if score.parsed and score.parsed in letters else UNREAD


def throughput(run: TaskRun) -> tuple[Stretch, ...]:
    """Return what the run records of its speed, in the order in which it happened.

    Raises:
        RunError: `run.json` records something else.
    """
    where = f"{run.folder / RUN}: efforts"
    efforts = run.side.run.get("efforts", [])
    if not isinstance(efforts, list):
        raise RunError(f"{where}: {brief(efforts)}, must be a list")
    found: list[Stretch] = []
    for effort in efforts:
        answered, seconds = (_number(effort, n, where) for n in ("answered", "seconds"))
        stages = effort.get("stages", {})
        if not isinstance(stages, dict):
            raise RunError(f"{where}: stages is {brief(stages)}, must be an object")
        times = {str(name): _number(stages, name, where) for name in stages}
        before, began = sum(s.answered for s in found), sum(s.seconds for s in found)
        points = _points(effort.get("progress", []), f"{where}: progress")
        found.append(Stretch(int(answered), seconds, before, began, times, points))
    return tuple(found)


def _points(content: Any, where: str) -> tuple[tuple[float, float], ...]:
    pairs: list[Any] = content if isinstance(content, list) else [content]
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))):
            raise RunError(f"{where}: {brief(pair)}, must be pairs of numbers from 0")
    return tuple((float(seconds), float(answered)) for seconds, answered in pairs)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST_COUNTED


def _number(content: Any, name: str, where: str) -> float:
    value = content.get(name) if isinstance(content, dict) else None
    if _is_number(value):
        return float(cast(float, value))
    raise RunError(f"{where}: {name} is {brief(value)}, must be a number from 0")


def failure_reasons(run: TaskRun) -> dict[str, int]:
    """Count the reasons of failed requests, the most frequent first; needs no rows."""
    failed: list[Prediction] = [a for a in run.side.predictions.values() if a.failed]
    return dict(Counter(answer.error or "no reason given" for answer in failed).most_common())
