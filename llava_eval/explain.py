"""Why a number is not the published one: what differs, and what that is known to do."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_eval.digests import digest_of
from llava_eval.effects import NUMBER, Effect, effects_of
from llava_eval.errors import UsageError, nearest
from llava_eval.families import FAMILIES
from llava_eval.identity import Difference, differences, identity_of
from llava_eval.leaderboard.board import Entry
from llava_eval.leaderboard.build import read_entry
from llava_eval.published import Published, PublishedModel, load_published
from llava_eval.records import Estimate
from llava_eval.store import find_runs, is_finished
from llava_eval.tables import printable, show
from llava_eval.task import TABLE, Task, load_task

DEFAULT = "published:llava-1.5-7b"
PREFIX = "published:"
WIDTH = 100
# With these another number is expected, whatever the model.
PROTOCOL = ("prompt", "protocol", "max_new_tokens", "scorer", "primary", "dialect", "judge")


@dataclass(frozen=True)
class Explanation:
    """One task of a run beside a published number.

    Attributes:
        task: The card.
        title: What the run is called.
        estimate: The run's number.
        n: Rows of the run.
        model: The published row.
        published: Its number; None if none is published.
        verdict: Whether the two agree, in words.
        found: Each difference in the protocol, with what is known of it.
        known: What is known of the published number itself.
    """

    task: Task
    title: str
    estimate: Estimate
    n: int
    model: PublishedModel
    published: float | None
    verdict: str
    found: list[tuple[Difference, list[Effect]]]
    known: list[Effect]


def explain(run: Path, against: str = DEFAULT, tasks_dir: Path | None = None) -> list[Explanation]:
    """Set a run, or a folder of runs, against a published row.

    Args:
        run: A run folder, or a folder of them.
        against: "published:" and the name of a row of `results/published.yaml`.
        tasks_dir: A folder of the user's own cards.

    Returns:
        One explanation per finished run, in the order of the table.

    Raises:
        UsageError: There is no finished run, or no such published row; the nearest is named.
        RunError: A run folder cannot be read.
    """
    published = load_published()
    model = _model(against, published)
    folders = [folder for folder in find_runs([run]) if is_finished(folder)]
    if not folders:
        raise UsageError(f"{run}: no finished run in it; give a run folder or a folder of them")
    entries = sorted(map(read_entry, folders), key=lambda entry: _place(entry.result.task))
    return [
        _explain(entry, load_task(entry.result.task, tasks_dir), published, model)
        for entry in entries
    ]


def _place(task: str) -> int:
    return TABLE.index(task) if task in TABLE else len(TABLE)


def _model(against: str, published: Published) -> PublishedModel:
    if not against.startswith(PREFIX):
        rows = [f"{PREFIX}{model.slug}" for model in published.models]
        raise UsageError(f"--against {against}: not a published row; {nearest(against, rows)}")
    return published.model(against.removeprefix(PREFIX))


def _explain(entry: Entry, task: Task, published: Published, model: PublishedModel) -> Explanation:
    found = what_differs(entry, task, published)
    value = model.scores.get(task.name)
    return Explanation(
        task=task,
        title=entry.recorded.get("model", "this run"),
        estimate=entry.result.headline,
        n=entry.result.n,
        model=model,
        published=value,
        verdict=verdict(entry, value, found),
        found=[(each, effects_of(each, task)) for each in found],
        known=effects_of(NUMBER, task),
    )


def what_differs(entry: Entry, task: Task, published: Published) -> list[Difference]:
    """Say in which fields a run departs from the protocol of the published numbers.

    First what makes up a number's identity, then how the model was asked: family, template,
    square padding, dtype. Weights differ as a matter of course.
    """
    setting, run = published.setting, entry.recorded
    family = FAMILIES[setting.family]
    template = digest_of([family.with_image, family.text_only])
    asked = (
        ("family", setting.family, "family {} instead of {}"),
        ("template", template, "conversation template {} instead of vicuna_v1 ({})"),
        ("pad_to_square", str(setting.pad_to_square), "square padding {} instead of {}"),
        ("dtype", setting.dtype, "{} instead of {}"),
    )
    return [
        *differences(identity_of(entry.result), published.identity(task)),
        *(
            Difference(name, words.format(run[name], wanted))
            for name, wanted, words in asked
            if name in run and run[name] != wanted
        ),
    ]


def verdict(entry: Entry, value: float | None, found: Sequence[Difference]) -> str:
    """Say whether a number agrees with a published one, and what that is worth.

    Data other than the published make two numbers incomparable, whatever they are. A draw is
    no other data: its interval covers the whole.
    """
    estimate = entry.result.headline
    drawn = f"a draw of {entry.result.n:,} samples"
    other = [each.words for each in found if each.field == "data" and each.words != drawn]
    if value is None:
        return "nothing is published for this row"
    if estimate.value is None:
        return "no number to compare yet"
    if other:
        return f"not comparable: {'; '.join(other)}"
    difference = f"{estimate.value - value:+.1f}"
    if estimate.low is None or estimate.high is None:
        return f"{difference}; without an interval nothing can be said"
    inside = estimate.low <= value <= estimate.high
    place = "inside" if inside else "outside"
    asked = "; another protocol, see below" if any(e.field in PROTOCOL for e in found) else ""
    return f"{difference}, {place} the run's 95 % interval{asked}"


def show_explanations(explanations: Sequence[Explanation]) -> str:
    """Lay out explanations for a terminal, one block per task; then where the figures are from."""
    sources = list(load_published().sources.items())
    used = {explanation.model.source for explanation in explanations}
    notes = [f"[{name}] {text}" for name, text in sources if name in used]
    blocks = ["\n".join(_block(explanation)) for explanation in explanations]
    return "\n\n".join([*blocks, "\n".join(notes)])


def _block(explanation: Explanation) -> list[str]:
    task, model = explanation.task, explanation.model
    printed = "none" if explanation.published is None else f"{explanation.published:.1f}"
    rows = [
        (explanation.title, f"{show(explanation.estimate)}, {explanation.n:,} samples"),
        (f"{model.name} [{model.source}]", printed),
        ("difference", explanation.verdict),
    ]
    width = max(len(printable(name)) for name, _ in rows)
    lines = [f"{task.title} ({task.name}): {task.primary}, {task.unit}"]
    lines += [f"  {printable(name):<{width}}  {printable(text)}" for name, text in rows]
    for difference, effects in explanation.found:
        lines += ["", *_wrapped(f"{difference.field}: {difference.words}", 2)]
        lines += [line for effect in effects for line in _effect(effect)]
        lines += [] if effects else _wrapped("what this does to the score is not known", 4)
    if not explanation.found:
        lines += ["", "  the published protocol, field by field"]
    if explanation.known:
        lines += ["", "  about the published number:"]
        lines += [line for effect in explanation.known for line in _effect(effect)]
    return lines


def _effect(effect: Effect) -> list[str]:
    return [*_wrapped(effect.effect, 4), *_wrapped(f"({effect.source})", 4)]


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(
        printable(text),
        WIDTH,
        initial_indent=space,
        subsequent_indent=space,
        break_on_hyphens=False,
        break_long_words=False,
    )
