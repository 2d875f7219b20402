"""The identity of a number: what must agree before two numbers may stand side by side.

    identity   protocol (prompt, token limit, scorer and its version, primary metric), dialect,
               judge, data, and whether every row was answered
    recorded   beside it, free to differ: model, weights, family, engine, dtype, attention,
               versions, hardware

`differences` says in plain words how two identities differ, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_eval.records import Json, Result
from llava_eval.scoring import DIALECT
from llava_eval.store import RESULT, read_json, read_run, result_from_json
from llava_eval.task import Task

# What the well-known lines of a prompt are called; others are quoted.
LINE_NAMES = {
    "Reference OCR token: {hint}": "OCR line",
    "Answer the question using a single word or phrase.": "short-answer instruction",
    "Answer with the option's letter from the given choices directly.": "letter instruction",
}
RECORDED = {
    "identity": (
        "model",
        "revision",
        "weights",
        "family",
        "template",
        "pad_to_square",
        "engine",
        "dtype",
        "attention",
    ),
    "environment": (
        "llava_eval",
        "transformers",
        "torch",
        "python",
        "system",
        "device",
        "hardware",
        "batch_size",
        "sharing",
    ),
}


@dataclass(frozen=True)
class Identity:
    """What two numbers must share to be comparable.

    An empty text, as of a published row whose rows nobody has a digest of, is not known and
    differs from nothing.

    Attributes:
        task: Name of the task.
        protocol: Digest of the next five.
        prompt: Lines and question rule of the card.
        max_new_tokens: Limit of generation.
        scorer: Name of the scorer.
        scorer_version: Rises when one of its golden rows changes.
        primary: The metric.
        dialect: Whose rule: "llava" is the paper's own.
        judge: Who graded the answers; empty without a judge.
        data: Digest of the rows.
        version: Which version of the benchmark they are, in the card's words.
        n: Number of rows.
        known: Whether the card knows the version.
        drawn: Whether the rows are a draw.
        unanswered: Why not every row is in the number, as "3 of 9,000 missing".
    """

    task: str
    protocol: str
    prompt: Mapping[str, Any]
    max_new_tokens: int
    scorer: str
    scorer_version: int
    primary: str
    dialect: str
    judge: str = ""
    data: str = ""
    version: str = ""
    n: int = 0
    known: bool = True
    drawn: bool = False
    unanswered: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """What can be compared with what, for sorting numbers into columns."""
        answered = "; ".join(self.unanswered)
        return (self.task, self.protocol, self.dialect, self.judge, self.data, answered)


@dataclass(frozen=True)
class Difference:
    """One field in which an identity departs from another, in plain words."""

    field: str
    words: str


def identity_of(result: Result) -> Identity:
    """Return the identity of a result."""
    return Identity(
        task=result.task,
        protocol=result.protocol,
        prompt=result.prompt,
        max_new_tokens=result.max_new_tokens,
        scorer=result.scorer,
        scorer_version=result.scorer_version,
        primary=result.primary,
        dialect=result.dialect,
        judge=result.judge,
        data=result.data,
        version=result.version,
        n=result.n,
        known=result.known,
        drawn=result.drawn,
        unanswered=tuple(unanswered(result)),
    )


def identity_of_card(task: Task, version: str = "") -> Identity:
    """Return the identity that a complete run of a card as it stands has: the reference.

    Args:
        task: The card.
        version: Which version of the benchmark, in the card's words; by default any.
    """
    fields = task.protocol_fields
    return Identity(
        task=task.name, protocol=task.protocol, dialect=DIALECT, version=version, **fields
    )


def identity_of_run(folder: Path) -> Identity:
    """Return the identity of the number in a run folder.

    Raises:
        RunError: It has no result of this version.
    """
    where = folder / RESULT
    return identity_of(result_from_json(read_json(where), str(where)))


def unanswered(result: Result) -> list[str]:
    """Say how many rows are not in a result, and why: "3 of 9,000 missing"."""
    counted = (
        (result.failed, "failed"),
        (result.missing, "missing"),
        (result.ungraded, "not graded"),
    )
    return [f"{count:,} of {result.n:,} {what}" for count, what in counted if count]


def differences(identity: Identity, reference: Identity) -> list[Difference]:
    """Say in plain words how a number departs from another, or from a card.

    Args:
        identity: Of the number that the words are about.
        reference: What it is held against.

    Returns:
        One entry per field, in the order of `Identity`; none if the two are comparable.
    """
    return [
        *_in_protocol(identity, reference),
        *_in_words(identity, reference, "dialect"),
        *_in_words(identity, reference, "judge"),
        *_in_data(identity, reference),
        *_in_answers(identity, reference),
    ]


def _in_protocol(identity: Identity, reference: Identity) -> list[Difference]:
    if not identity.protocol or not reference.protocol or identity.protocol == reference.protocol:
        return []
    found = [Difference("prompt", words) for words in _prompt_words(identity, reference)]
    limit, other = identity.max_new_tokens, reference.max_new_tokens
    if limit != other:
        words = f"at most {limit:,} new tokens instead of {other:,}"
        found.append(Difference("max_new_tokens", words))
    if identity.scorer != reference.scorer:
        found += _in_words(identity, reference, "scorer")
    elif identity.scorer_version != reference.scorer_version:
        words = f"scorer version {identity.scorer_version} and {reference.scorer_version}"
        found.append(Difference("scorer_version", words))
    found += _in_words(identity, reference, "primary")
    digests = f"protocol {identity.protocol} instead of {reference.protocol}"
    return found or [Difference("protocol", digests)]


def _prompt_words(identity: Identity, reference: Identity) -> list[str]:
    lines: Sequence[str] = identity.prompt.get("lines", ())
    wanted: Sequence[str] = reference.prompt.get("lines", ())
    lost = [f"no {_line_name(line)}" for line in wanted if line not in lines]
    added = [f"with {_line_name(line)}" for line in lines if line not in wanted]
    words = [*lost, *added]
    if not words and list(lines) != list(wanted):
        words = ["prompt lines in another order"]
    rule, other = identity.prompt.get("question"), reference.prompt.get("question")
    return [*words, *([f"question {rule} instead of {other}"] if rule != other else [])]


def _line_name(line: str) -> str:
    return LINE_NAMES.get(line, f'line "{line}"')


def _in_words(identity: Identity, reference: Identity, name: str) -> list[Difference]:
    value, other = getattr(identity, name), getattr(reference, name)
    if value == other:
        return []
    return [Difference(name, f"{name} {value or 'none'} instead of {other or 'none'}")]


def _in_data(identity: Identity, reference: Identity) -> list[Difference]:
    if identity.data and identity.data == reference.data:
        return []
    words = []
    if not identity.known:
        words.append(f"{identity.n:,} rows of no known version")
    elif reference.version and identity.version != reference.version:
        words.append("mini split" if identity.version == "mini" else identity.version)
    if identity.drawn:
        words.append(f"a draw of {identity.n:,} samples")
    elif reference.drawn:
        words.append(f"all {identity.n:,} samples, not a draw of {reference.n:,}")
    if not words and identity.data and reference.data:
        words.append(f"other rows (data {identity.data} instead of {reference.data})")
    return [Difference("data", each) for each in words]


def _in_answers(identity: Identity, reference: Identity) -> list[Difference]:
    if identity.unanswered == reference.unanswered:
        return []
    if identity.unanswered:
        return [Difference("complete", f"incomplete: {', '.join(identity.unanswered)}")]
    words = f"complete, the other is not: {', '.join(reference.unanswered)}"
    return [Difference("complete", words)]


def recorded(run: Json) -> dict[str, str]:
    """Return what a `run.json` records beside the identity, as text by field."""
    return {
        name: str(run[part][name])
        for part, names in RECORDED.items()
        for name in names
        if run.get(part, {}).get(name) is not None
    }


def recorded_of_run(folder: Path) -> dict[str, str]:
    """Return what a run folder records beside the identity.

    Raises:
        RunError: It is no run folder.
    """
    return recorded(read_run(folder))
