"""Circular evaluation: a question counts only if every rotation of its options is answered."""

from __future__ import annotations

from collections.abc import Sequence

from llava_eval.answers.letters import vlmevalkit_letter
from llava_eval.errors import DataError, brief
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import Reading, Scorer
from llava_eval.scorers.choice import check_letter
from llava_eval.stats import share_estimate

METRICS = ("accuracy", "first_rotation_accuracy")


def score_mmbench(sample: Sample, text: str) -> Reading | None:
    """Return 1.0 if the letter inferred from one rotation's answer is right, else 0.0.

    Source: open-compass/VLMEvalKit, `vlmeval/utils/matching_util.py`, as its `exact_matching`
    uses it: what the rules leave open is wrong. LLaVA itself sent its answers to MMBench's
    server, which asked ChatGPT about those; the answers of LLaVA-1.5 are bare letters.
    Departs: The options are those of the prompt, which LLaVA ends at the first missing one;
    VLMEvalKit also knows options behind a gap.
    """
    if not sample.references:
        return None
    letter = vlmevalkit_letter(text, sample.choices)
    return Reading(float(letter == sample.references[0]), letter)


def match_mmbench(sample: Sample, replies: tuple[str, ...]) -> Reading | None:
    """Return 1.0 if a judge reads the right letter out of an answer that the rules leave open.

    Args:
        sample: With its options.
        replies: Of the judge; the first decides, read by the same rules as an answer.

    Returns:
        None if they cannot be read: the answer stays unparsed, and is wrong.

    Departs: VLMEvalKit and lmms-eval ask up to three times and then draw a letter at random,
    which is right by chance.
    """
    letter = vlmevalkit_letter(replies[0], sample.choices)
    return None if letter is None else Reading(float(letter == sample.references[0]), letter)


def summarize_mmbench(scores: Sequence[Score]) -> Summary:
    """Compute the share of questions that are right in all their rotations.

    Args:
        scores: Of whole circles; the cluster of a sample is its circle, the index of the first
            rotation, and its groups are "leaf" and "l2".

    Returns:
        Percentages over circles, each counting once, overall and for each leaf and L2 category;
        and the same over first rotations only. `n` is a number of circles.

    Source: open-compass/VLMEvalKit, `vlmeval/dataset/utils/multiple_choice.py` (a group of rows
    with one index modulo 1,000,000 is a hit if each of them is).
    Departs: A circle of which any row has no answer stays out of both figures; VLMEvalKit wants
    all rows, and the server took an empty answer for a wrong one.
    """
    circles: dict[str, list[Score]] = {}
    for score in sorted(scores, key=_index):
        circles.setdefault(score.sample.cluster, []).append(score)
    groups = {
        name: _figures(members)
        for grouping in ("leaf", "l2")
        for name, members in _by_group(list(circles.values()), grouping).items()
    }
    return Summary(_figures(list(circles.values())), groups)


def _index(score: Score) -> int:
    return int(score.id)


def _by_group(circles: Sequence[list[Score]], grouping: str) -> dict[str, list[list[Score]]]:
    found: dict[str, list[list[Score]]] = {}
    for circle in circles:
        found.setdefault(circle[0].sample.groups.get(grouping, ""), []).append(circle)
    return {name: found[name] for name in sorted(found) if name}


def _figures(circles: Sequence[Sequence[Score]]) -> dict[str, Estimate]:
    whole = [min(float(score.value or 0.0) for score in circle) for circle in circles]
    firsts = [circle[0] for circle in circles if circle[0].id == circle[0].sample.cluster]
    first = [float(score.value or 0.0) for score in firsts]
    return {"accuracy": _mean(whole), "first_rotation_accuracy": _mean(first)}


def _mean(values: Sequence[float]) -> Estimate:
    if not values:
        return Estimate(None, None, None, 0)
    return share_estimate(values, [""] * len(values))


def check_mmbench(sample: Sample) -> None:
    """Check that the answer, if there is one, is A to D, and the id a number.

    Raises:
        DataError: One of them is not.
    """
    if not sample.id.isdecimal():
        raise DataError(f"the id is {brief(sample.id)}, must be a number: rotations are told by it")
    check_letter(sample, ("A", "B", "C", "D"))


MMBENCH = Scorer(
    1,
    METRICS,
    score_mmbench,
    summarize_mmbench,
    check_mmbench,
    references="the letter of the right option, A to D; cluster: the id of the first rotation",
    whole_clusters=True,
    match=match_mmbench,
)
