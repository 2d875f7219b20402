"""The records that flow through a run, in order of appearance.

    Sample -> Request -> Prediction -> Score -> Estimate -> Result

Above `Prediction` a model is needed; below it everything runs without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that has not been read yet.

    Attributes:
        name: What an error message calls it: a path, or a file and a row.
        read: Returns the encoded bytes (PNG, JPEG, ...); raises `DataError` or `OSError`.
        key: Two images of one key are one file; "" where that is not known.
    """

    name: str
    read: Callable[[], bytes]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question of a benchmark, whatever file or data set it came from.

    Attributes:
        id: Unique in its data set.
        question: As the benchmark gives it, without instruction.
        images: Zero or one image for the benchmarks of the LLaVA-1.5 table.
        choices: Options of a multiple-choice question, in order.
        references: Accepted answers, or one per annotator.
        hint: Context that some benchmarks print beside the question.
        groups: Name of a grouping to the group of this sample, e.g. {"category": "random"}.
        cluster: Samples that belong together, mostly by their image: they are not independent.
        llava_id: "question_id" in LLaVA's answer files where that is not `id`; not always unique.
    """

    id: str
    question: str
    images: tuple[ImageRef, ...] = ()
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    hint: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""
    llava_id: str = ""


@dataclass(frozen=True, slots=True)
class DataSet:
    """All samples of one task from one source.

    Attributes:
        source: Where they were read: "mini", "hub:owner/name" or a path.
        version: Which published version of the benchmark this is, by its number of rows.
        known: Whether `version` is one that the card knows.
        samples: In the order of the source.
        digest: Of everything in the rows that can move a score, images excepted.
        drawn: Whether this is a draw of a larger set (`--limit`, `--until`).
        full_n: Rows of that larger set; 0 if this is none.
        full_clusters: Its clusters.
    """

    source: str
    version: str
    known: bool
    samples: tuple[Sample, ...]
    digest: str
    drawn: bool = False
    full_n: int = 0
    full_clusters: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked: question text and images, no conversation template."""

    id: str
    text: str
    images: tuple[ImageRef, ...]
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What came back: one line of `predictions.jsonl`.

    Attributes:
        id: Of the sample.
        text: The model's words, verbatim but for surrounding white space; "" if it failed.
        finish: "stop" (end of sequence), "length" (token limit) or "error"; "" if unknown.
        error: Why there is no answer, when `finish` is "error".
        prompt_tokens: Length of the prompt, image positions included.
        new_tokens: Number of generated tokens, the end of sequence included.
    """

    id: str
    text: str
    finish: str = ""
    error: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0

    @property
    def failed(self) -> bool:
        """Whether there is no answer to score."""
        return self.finish == "error" or bool(self.error)


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one sample.

    Attributes:
        id: Of the sample.
        value: In [0, 1], or None where there is no answer to score.
        parsed: What the rule read out of the answer; None if it could read nothing.
        status: "scored", "unparsed" (the rule read nothing; the value says what the
            benchmark makes of that), "failed" or "missing" (no answer; value None), or
            "ungraded" (an answer that waits for a judge or a server; value None).
        sample: The sample itself: references, groups and cluster for the summary.
        details: Further figures of this sample that the scorer's summary needs.
    """

    id: str
    value: float | None
    parsed: str | None
    status: str
    sample: Sample
    details: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its standard error and 95 % interval, in the unit that the paper prints.

    Attributes:
        value: None where the metric is undefined, such as the precision of a model that never
            says yes.
        low, high: The 95 % interval; None where there is none to be had, as from one image.
        n: Number of samples that the metric rests on.
        error: Standard error; None where there is no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    error: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a scorer makes of a set of scores: overall metrics, and the same per group.

    `notes` holds what the official tool prints and no number can: a rounding, a verdict.
    """

    metrics: dict[str, Estimate]
    groups: dict[str, dict[str, Estimate]]
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a metric would be if all samples without an answer were wrong, or all right.

    Attributes:
        low: If all were wrong, in the metric's unit; None where nobody can say.
        high: If all were right.
        reason: Why there are none.
    """

    low: float | None
    high: float | None
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of one task: `result.json`.

    Attributes:
        task: Name of the task.
        primary: Name of the metric that stands in the table.
        unit: "percent" or "points".
        protocol: Digest of prompt, token limit, scorer and primary metric.
        prompt: Lines and question rule of the card, so that a difference can be named.
        max_new_tokens: Limit of generation.
        scorer: Name of the scorer.
        scorer_version: Rises when one of its golden rows changes.
        dialect: Whose rule: "llava" is the paper's own.
        judge: Who graded the answers; empty without a judge.
        data: Digest of the rows.
        source: Where the rows came from.
        version: Which version of the benchmark they are.
        n: Rows of the data set.
        unparsed: Answers out of which the rule read nothing.
        failed: Requests that ended in an error.
        missing: Rows without a prediction.
        ungraded: Answers that wait for a judge, or for the benchmark's own server.
        drawn: Whether the rows are a draw of the data set; its intervals are then for the
            figures of all of it.
        known: Whether `version` is one that the card knows.
        metrics: Overall, over the rows that have an answer.
        groups: The same per group.
        notes: What the official tool prints besides, as text.
        clusters: Clusters of the rows, by image in most tasks.
        full_n: Rows of the set that the rows are a draw of; `n` if they are none.
        full_clusters: Its clusters.
        bounds: Of the primary metric, over all rows; None if none is failed or missing.
    """

    task: str
    primary: str
    unit: str
    protocol: str
    prompt: dict[str, Any]
    max_new_tokens: int
    scorer: str
    scorer_version: int
    dialect: str
    judge: str
    data: str
    source: str
    version: str
    n: int
    unparsed: int
    failed: int
    missing: int
    ungraded: int
    drawn: bool
    known: bool
    metrics: dict[str, Estimate] = field(default_factory=dict)
    groups: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    clusters: int = 0
    full_n: int = 0
    full_clusters: int = 0
    bounds: Bounds | None = None

    @property
    def complete(self) -> bool:
        """Whether every row of a known version of the benchmark was answered."""
        return self.known and not (self.drawn or self.failed or self.missing or self.ungraded)

    @property
    def mini(self) -> bool:
        """Whether this is the demo's own split, comparable with nothing published."""
        return self.source == "mini"

    @property
    def headline(self) -> Estimate:
        """The primary metric."""
        return self.metrics[self.primary]


Json = dict[str, Any]
MOST_COUNTED = 10**15  # of anything, such as tokens: a larger number counts nothing
