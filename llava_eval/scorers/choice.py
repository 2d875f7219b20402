"""Multiple choice, one question at a time: ScienceQA and SEED-Bench."""

from __future__ import annotations

import string
from collections.abc import Sequence

from llava_eval.answers.letters import (
    SCIENCEQA_LETTERS,
    SEED_LETTERS,
    scienceqa_letter,
    seed_letter,
)
from llava_eval.errors import DataError, brief
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import Reading, Scorer, by_group, mean_of, reference_among

SEED_TYPES = ("image", "video")


def score_scienceqa(sample: Sample, text: str) -> Reading | None:
    """Return 1.0 if the letter read is the answer's, else 0.0; None without an answer to know.

    A letter beyond the question's options is wrong, not unparsed.

    Source: haotian-liu/LLaVA, `llava/eval/eval_science_qa.py`.
    """
    return _read(sample, scienceqa_letter(text))


def score_seed(sample: Sample, text: str) -> Reading | None:
    """Return 1.0 if the answer is the right letter and nothing else, else 0.0.

    Source: haotian-liu/LLaVA, `scripts/convert_seed_for_submission.py`.
    """
    return _read(sample, seed_letter(text))


def _read(sample: Sample, letter: str | None) -> Reading | None:
    if not sample.references:
        return None
    return Reading(float(letter == sample.references[0]), letter)


def summarize_scienceqa(scores: Sequence[Score]) -> Summary:
    """Compute accuracy over the questions with an image, and over all.

    Args:
        scores: Their samples carry the group "modality", and "subject", "grade" and "grades"
            where the rows have them.

    Returns:
        Percentages, for each subject, grade and span of grades too.

    Source: haotian-liu/LLaVA, `llava/eval/eval_science_qa.py`; subjects and spans of grades are
    those of lupantech/ScienceQA, `tools/evaluate_acc.py`.
    Departs: A question without a prediction is counted missing and stays out of both figures;
    the script counts it wrong in `accuracy` and drops it from `image_accuracy`, whose "image" it
    recognises by the prompt saved with the answer.
    """
    groups = {
        name: _scienceqa_figures(members)
        for grouping in ("subject", "grades", "grade")
        for name, members in by_group(scores, grouping).items()
    }
    return Summary(_scienceqa_figures(scores), groups)


def _scienceqa_figures(scores: Sequence[Score]) -> dict[str, Estimate]:
    with_image = [s for s in scores if modality(s.sample) == "image"]
    return {"image_accuracy": _mean(with_image), "accuracy": _mean(scores)}


def modality(sample: Sample) -> str:
    """Return "image" or "text": the row's own group, or whether it has an image."""
    return sample.groups.get("modality") or ("image" if sample.images else "text")


def summarize_seed(scores: Sequence[Score]) -> Summary:
    """Compute accuracy over all questions, over images, over videos and for each dimension.

    Args:
        scores: Their samples carry the groups "data_type" and "dimension".

    Returns:
        Percentages. Each question weighs the same, whatever its dimension.

    Source: haotian-liu/LLaVA, `scripts/convert_seed_for_submission.py`.
    Departs: A question without a prediction is counted missing; the script counts it wrong. Of
    two questions with one id each is scored by its own answer; the script scores both by the
    later one.
    """
    kinds = by_group(scores, "data_type")
    metrics = {"accuracy": _mean(scores)}
    metrics |= {f"{kind}_accuracy": _mean(kinds.get(kind, [])) for kind in SEED_TYPES}
    dimensions = by_group(scores, "dimension")
    return Summary(metrics, {name: {"accuracy": _mean(of)} for name, of in dimensions.items()})


def _mean(scores: Sequence[Score]) -> Estimate:
    return mean_of(scores) if scores else Estimate(None, None, None, 0)


def check_scienceqa(sample: Sample) -> None:
    """Check that the answer, if there is one, is an option of the question.

    Raises:
        DataError: It is not.
    """
    check_letter(sample, SCIENCEQA_LETTERS[: len(sample.choices)] or SCIENCEQA_LETTERS)


def check_seed(sample: Sample) -> None:
    """Check that the answer, if there is one, is A to D, and the question's type.

    Raises:
        DataError: One of them is not.
    """
    check_letter(sample, SEED_LETTERS)
    kind = sample.groups.get("data_type")
    if kind is not None and kind not in SEED_TYPES:
        raise DataError(f"data_type is {brief(kind)}, must be image or video")


def check_letter(sample: Sample, letters: Sequence[str] = string.ascii_uppercase) -> None:
    """Check that the answer of a sample, if it has one, is one of some letters.

    Raises:
        DataError: It is another one, or there are several.
    """
    if sample.references:
        reference_among(sample, letters)


SCIENCEQA = Scorer(
    1,
    ("image_accuracy", "accuracy"),
    score_scienceqa,
    summarize_scienceqa,
    check_scienceqa,
    references="the letter of the right option, A to E",
)
SEEDBENCH = Scorer(
    1,
    ("accuracy", *(f"{kind}_accuracy" for kind in SEED_TYPES)),
    score_seed,
    summarize_seed,
    check_seed,
    references="the letter of the right option, A to D",
)
