"""What is known to move a score: `results/effects.yaml`, read strictly."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from functools import cache

from llava_eval.identity import Difference
from llava_eval.resources import resource
from llava_eval.strict import load_record
from llava_eval.task import Task

NUMBER = Difference("number", "")  # stands for what is known of a published number itself


@dataclass(frozen=True)
class Effect:
    """What a difference is known to do to a score.

    Attributes:
        field: The field that differs, as in `identity` and `explain`, or "number".
        effect: What it does.
        source: Who measured or reported it.
        when: Words that the difference must hold; any if empty.
        tasks: Where it is known; everywhere if empty.
    """

    field: str
    effect: str
    source: str
    when: str = ""
    tasks: list[str] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Effects:
    """The whole table."""

    effects: list[Effect]


@cache
def load_effects() -> list[Effect]:
    """Read the table of known effects.

    Raises:
        CardError: It does not have the fields of `Effect`.
    """
    return typing.cast(Effects, load_record(Effects, resource("results/effects.yaml"))).effects


def effects_of(difference: Difference, task: Task) -> list[Effect]:
    """Return what is known of a difference in a task.

    What other tools' rules do differently stands on the cards.
    """
    known = [
        effect
        for effect in load_effects()
        if effect.field == difference.field
        and effect.when in difference.words
        and (not effect.tasks or task.name in effect.tasks)
    ]
    return known + (_of_dialect(difference, task) if difference.field == "dialect" else [])


def _of_dialect(difference: Difference, task: Task) -> list[Effect]:
    return [
        Effect("dialect", sentence, f"the card tasks/{task.name}.yaml")
        for sentence in task.others
        if sentence.split(" ")[0].casefold() in difference.words
    ]
