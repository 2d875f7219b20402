"""Who judged a run: its name, and what its replies say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

NEXT_DAY = timedelta(days=1)  # one command may go on past midnight


@dataclass(frozen=True)
class JudgeRecord:
    """A judge, as the files of a run know it; all empty if nobody knows who it was.

    Attributes:
        name: By which its server knows it, or of its folder.
        weights: Digest, of a local one.
        decoding: Of a local one.
        models: What the server said answered.
        fingerprints: Its versions.
        days: The first and the last on which it replied, as "2026-05-01".
    """

    name: str = ""
    weights: str = ""
    decoding: str = ""
    models: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    days: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Say who it was; a judge whose weights are known is the same on every day.

        >>> JudgeRecord("m", models=frozenset({"m-0314"}), days=("2026-05-01",)).words
        'm (m-0314; 2026-05-01)'
        >>> JudgeRecord("m", "0a1b", "greedy").words
        'm (weights 0a1b, greedy)'
        """
        if self.weights:
            return f"{self.name} (weights {self.weights}, {self.decoding})"
        said = ", ".join([*sorted(self.models - {self.name}), *sorted(self.fingerprints)])
        words = "; ".join(filter(None, (said, " to ".join(dict.fromkeys(self.days)))))
        return f"{self.name} ({words})" if words else self.name


def judge_record(identity: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> JudgeRecord:
    """Read who judged out of a run's files.

    Args:
        identity: Of `judge.json`.
        rows: Lines of `grades.jsonl`.
    """
    name = str(identity["judge"])
    if identity.get("weights"):
        return JudgeRecord(name, str(identity["weights"]), str(identity["decoding"]))
    given = [row for row in rows if row["replies"]]
    days = sorted(at[:10] for at in _distinct(given, "at"))
    return JudgeRecord(
        name,
        models=frozenset(_distinct(given, "model")),
        fingerprints=frozenset(_distinct(given, "system_fingerprint")),
        days=(days[0], days[-1]) if days else (),
    )


def _distinct(rows: Iterable[Mapping[str, Any]], name: str) -> set[str]:
    return {str(row[name]) for row in rows if row.get(name)}


def same_judge(one: JudgeRecord, other: JudgeRecord) -> bool:
    """Whether two runs were graded by one judge, as far as anybody can know.

    Servers answer from several versions at a time, and one command that grades two runs may go
    on past midnight. So fingerprints need to share one, if there are any, and the first days,
    and the last, may be a day apart.

    >>> one, other = (JudgeRecord("m", days=(day, day)) for day in ("2026-05-31", "2026-06-01"))
    >>> same_judge(one, other)
    True
    """
    if one.words == other.words:
        return True
    if (one.name, one.models) != (other.name, other.models) or one.weights or other.weights:
        return False
    versions = one.fingerprints, other.fingerprints
    return (not any(versions) or bool(versions[0] & versions[1])) and _close(one.days, other.days)


def _close(days: tuple[str, ...], others: tuple[str, ...]) -> bool:
    try:
        pairs = zip(map(date.fromisoformat, days), map(date.fromisoformat, others), strict=True)
        return all(abs(day - other) <= NEXT_DAY for day, other in pairs)
    except ValueError:  # one has no days, or somebody wrote another form
        return False
