"""Published numbers: `results/published.yaml`, read strictly."""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass, field, replace
from functools import cache

from llava_eval.errors import CardError, UsageError, nearest
from llava_eval.identity import Identity, identity_of_card
from llava_eval.resources import resource
from llava_eval.strict import load_record
from llava_eval.task import Task


@dataclass(frozen=True)
class PublishedModel:
    """One row that somebody published.

    Attributes:
        name: As the source calls the model.
        source: Key of `Published.sources`.
        scores: Task to the number of its column, as printed.
        derived: Task to how its number was made, where the source prints its parts.
        details: Task to further figures: a metric, or a group's primary metric.
        details_source: Where these are from, if not from `source`.
        seen: Tasks whose training images or annotations the model was trained on.
    """

    name: str
    source: str
    scores: dict[str, float]
    derived: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, float]] = field(default_factory=dict)
    details_source: str = ""
    seen: list[str] = field(default_factory=list)

    @property
    def slug(self) -> str:
        """The name as it is typed.

        >>> PublishedModel("BLIP-2 (Vicuna-13B)", "paper", {}).slug
        'blip-2-vicuna-13b'
        """
        return slug(self.name)


@dataclass(frozen=True)
class Setting:
    """How LLaVA's own scripts ran LLaVA-1.5; see `families.Family` and `engines`."""

    family: str
    pad_to_square: bool
    dtype: str
    judges: dict[str, str]


@dataclass(frozen=True)
class Published:
    """All published numbers, and the protocol that they follow.

    Attributes:
        sources: Key to citation.
        rows: Task to the number of rows that were asked: the version on the card.
        setting: How they were asked.
        models: In the order of the file.
    """

    sources: dict[str, str]
    rows: dict[str, int]
    setting: Setting
    models: list[PublishedModel]

    def model(self, name: str) -> PublishedModel:
        """Find a row by its name, however it is spelt.

        Raises:
            UsageError: There is none; the nearest is named.
        """
        by_slug = {model.slug: model for model in self.models}
        if slug(name) not in by_slug:
            raise UsageError(f"published:{name}: no such row; {nearest(slug(name), by_slug)}")
        return by_slug[slug(name)]

    def version(self, task: Task) -> str:
        """Return which version of a benchmark its column has; "" for a task of one's own."""
        return task.versions.get(self.rows.get(task.name, 0), "")

    def identity(self, task: Task) -> Identity:
        """Return the identity of a column: the card as it is, on the published rows."""
        identity = identity_of_card(task, self.version(task))
        rows, judge = self.rows.get(task.name, 0), self.setting.judges.get(task.name, "")
        return replace(identity, n=rows, judge=judge)


def slug(name: str) -> str:
    """Return a name in lower case with hyphens between its words.

    >>> slug("LLaVA-7B (v1)")
    'llava-7b-v1'
    """
    return "-".join(re.findall(r"[a-z0-9.]+", name.casefold()))


@cache
def load_published() -> Published:
    """Read the numbers that ship.

    Raises:
        CardError: The file does not have the fields of `Published`, or names a source that
            it does not cite.
    """
    path = resource("results/published.yaml")
    published = typing.cast(Published, load_record(Published, path))
    for model in published.models:
        for source in (model.source, model.details_source or model.source):
            if source not in published.sources:
                hint = nearest(source, published.sources)
                raise CardError(f"{path}: {model.name}: source {source!r} is not cited; {hint}")
    return published
