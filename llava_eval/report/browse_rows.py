"""The rows of a task's runs, side by side, and what the browser shows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from llava_eval.records import Json, Sample, Score
from llava_eval.report.browse_prompts import Prompts
from llava_eval.report.browse_script import json_array, json_for_script
from llava_eval.report.measures import OUTCOMES, outcome_of
from llava_eval.report.subject import TaskRun
from llava_eval.report.units import unit_values

MOST_OF_A_TEXT = 5000  # characters that the index holds and the search sees; the rows hold all
DIGITS = 6  # of a value


@dataclass(frozen=True, slots=True)
class BrowsedRow:
    """One row of the data.

    Attributes:
        id: Unlike that of any other row.
        sample: Of the first run that was asked it.
        scores: One per run; None for a run that was not asked.
    """

    id: str
    sample: Sample
    scores: tuple[Score | None, ...]


def join_rows(runs: Sequence[TaskRun]) -> list[BrowsedRow]:
    """Put runs of one task side by side: every row that any of them was asked, once.

    Rows are the same if all that can move a score is; two draws of a benchmark share what both
    drew, and its mini split shares nothing with it. They come in the order of the first run,
    then what only later ones were asked.
    """
    found: dict[tuple[object, ...], list[Score | None]] = {}
    for place, run in enumerate(runs):
        for score in run.scores:
            scores = found.setdefault(_content(score.sample), [None] * len(runs))
            scores[place] = score
    firsts = [next((place, s) for place, s in enumerate(of) if s) for of in found.values()]
    counts = Counter(score.id for _, score in firsts)
    return [
        BrowsedRow(
            score.id if counts[score.id] == 1 else f"{score.id} ({runs[place].model})",
            score.sample,
            tuple(scores),
        )
        for (place, score), scores in zip(firsts, found.values(), strict=True)
    ]


def _content(sample: Sample) -> tuple[object, ...]:
    groups = tuple(sorted(sample.groups.items()))
    texts = (sample.id, sample.question, sample.hint, sample.cluster)
    return (*texts, sample.choices, sample.references, groups)


def index_parts(
    head: Json,
    rows: Sequence[BrowsedRow],
    runs: Sequence[TaskRun],
    prompts: Sequence[Prompts],
    images: Json,
    numbers: dict[int, int],
) -> Iterator[str]:
    """Write the index of a task, column by column.

    Args:
        head: What is said of the whole task.
        rows: Of all runs.
        runs: The runs.
        prompts: How each of them asked.
        images: What was written of the pictures.
        numbers: Number of each picture by the `id` of its `ImageRef`.
    """
    yield json_for_script(head)[:-1]
    columns: dict[str, Iterable[object]] = {
        "ids": (row.id for row in rows),
        "question": (cut(row.sample.question, MOST_OF_A_TEXT) for row in rows),
        "reference": (_reference(row.sample) for row in rows),
        "image": (image_numbers(row.sample, numbers)[0] for row in rows),
    }
    yield from _columns(columns)
    yield ',"cluster":'
    yield from _coded({}, rows, lambda sample: sample.cluster)
    yield ',"groups":['
    for place, name in enumerate(dict.fromkeys(n for row in rows for n in row.sample.groups)):
        yield "," if place else ""
        yield from _coded({"name": name}, rows, partial(_group, name))
    yield '],"runs":['
    for place, (run, asked) in enumerate(zip(runs, prompts, strict=True)):
        yield "," if place else ""
        yield from _run_parts(place, run, asked, rows)
    yield f'],"images":{json_for_script(images)}}}'


def _group(name: str, sample: Sample) -> str:
    return sample.groups.get(name, "")


def _columns(columns: dict[str, Iterable[object]]) -> Iterator[str]:
    for name, items in columns.items():
        yield f',"{name}":'
        yield from json_array(items)


def _coded(head: Json, rows: Sequence[BrowsedRow], value: Callable[[Sample], str]) -> Iterator[str]:
    """Write the distinct values of a column, and for each row which it has; -1 is none."""
    values = list(dict.fromkeys(filter(None, (value(row.sample) for row in rows))))
    places = {text: place for place, text in enumerate(values)}
    yield json_for_script({**head, "values": values})[:-1] + ',"codes":'
    yield from json_array(places.get(value(row.sample), -1) for row in rows)
    yield "}"


def _run_parts(
    place: int, run: TaskRun, asked: Prompts, rows: Sequence[BrowsedRow]
) -> Iterator[str]:
    head = {"model": run.model, "template": asked.template, "note": asked.note}
    answers, scores = run.side.predictions, [row.scores[place] for row in rows]
    given = [answers.get(s.id) if s else None for s in scores]
    paired = unit_values(run)
    outcome = "".join(OUTCOMES[outcome_of(s)] if s else OUTCOMES["not asked"] for s in scores)
    yield json_for_script({**head, "outcome": outcome})[:-1]
    yield from _columns(
        {
            "text": (cut(answer.text, MOST_OF_A_TEXT) if answer else "" for answer in given),
            "error": (cut(answer.error, MOST_OF_A_TEXT) if answer else "" for answer in given),
            "parsed": (cut(s.parsed, MOST_OF_A_TEXT) if s and s.parsed else None for s in scores),
            "value": (_value(s.value) if s else None for s in scores),
            "paired": (_value(paired.get(s.id)) if s else None for s in scores),
        }
    )
    yield "}"


def _value(value: float | None) -> float | None:
    """Return a score with as many digits as it takes to tell two of them apart."""
    if value is None:
        return None
    return int(value) if value in (0, 1) else round(value, DIGITS)


def _reference(sample: Sample) -> str:
    """Write the references as one text, the most frequent first, each once."""
    texts = [text for text, _ in Counter(sample.references).most_common()]
    return cut("; ".join(texts), MOST_OF_A_TEXT)


def image_numbers(sample: Sample, numbers: dict[int, int]) -> list[int]:
    """Return the numbers of a row's pictures; -1 alone if it has none."""
    return [numbers[id(ref)] for ref in sample.images] or [-1]


def cut(text: str, most: int) -> str:
    """Show at most so many characters of a text.

    >>> cut("a long text", 7)
    'a long…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"


def details(
    row: BrowsedRow,
    runs: Sequence[TaskRun],
    prompts: Sequence[Prompts],
    numbers: dict[int, int],
) -> Json:
    """Return all that is known of one row; see `browse` for the form."""
    sample, images = row.sample, image_numbers(row.sample, numbers)
    pieces = [asked.pieces(sample) for asked in prompts]
    distinct = list(dict.fromkeys(pieces))
    return {
        "question": sample.question,
        "choices": sample.choices,
        "references": sample.references,
        "hint": sample.hint,
        "prompts": distinct,
        **({"images": images} if len(images) > 1 else {}),
        "runs": [
            _said(run, score, distinct.index(asked))
            for run, score, asked in zip(runs, row.scores, pieces, strict=True)
        ],
    }


def _said(run: TaskRun, score: Score | None, prompt: int) -> Json | None:
    """Return what a model answered to a row, and what a judge said of it."""
    if score is None:
        return None
    answer, replies = run.side.predictions.get(score.id), run.side.grading.replies.get(score.id)
    if answer is None and not replies:
        return None
    return {
        "prompt": prompt,
        "text": answer.text if answer else "",
        "finish": answer.finish if answer else "",
        "error": answer.error if answer else "",
        "tokens": [answer.prompt_tokens, answer.new_tokens] if answer else [0, 0],
        "replies": list(replies or ()),
    }
