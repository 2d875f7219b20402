"""Short free answers against several annotators: VQAv2, TextVQA, VizWiz."""

from __future__ import annotations

from collections.abc import Sequence

from llava_eval.answers.vqa import (
    leave_one_out,
    m4c_accuracy,
    m4c_answer,
    vizwiz_answer,
    vqa_references,
    without_leave_one_out,
)
from llava_eval.errors import DataError, brief
from llava_eval.records import Estimate, Sample, Score, Summary
from llava_eval.scorers.base import Reading, Scorer, by_group, mean_of
from llava_eval.stats import cluster_numbers, share_estimate

TEXTVQA_ANNOTATORS = 10
ANSWER_TYPES = ("yes/no", "number", "other")


def score_vqav2(sample: Sample, text: str) -> Reading | None:
    """Score by the official rule; `details` holds the score of what LLaVA would upload.

    LLaVA's converter passes an answer through the M4C processor before the server sees it. That
    moves scores both ways: "Red" becomes "red", which ten annotators who wrote "red" accept,
    and "Two" becomes "2", which ten who wrote "two" do not.

    Source: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`;
    haotian-liu/LLaVA, `scripts/convert_vqav2_for_submission.py`.
    """
    if not sample.references:
        return None
    rule, references = vqa_references(sample.references)
    answer = rule(text)
    upload = leave_one_out(rule(m4c_answer(text)), references)
    return Reading(leave_one_out(answer, references), answer, (upload,))


def summarize_vqav2(scores: Sequence[Score]) -> Summary:
    """Average overall, per question type and per answer type.

    Source: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.
    Departs: The tool rounds to two decimals and stops with an exception where an answer is
    missing; this averages the rows that have one, unrounded, and the missing are counted.
    """
    return _summarize(scores, "upload_accuracy", ("question_type", "answer_type"))


def check_vqav2(sample: Sample) -> None:
    """Check that question types and answer types can stand beside each other by name.

    Any number of annotators will do, as for the official tool.

    Raises:
        DataError: A question type has the name of an answer type.
    """
    kind = sample.groups.get("question_type", "")
    if kind in ANSWER_TYPES:
        raise DataError(f"question_type is {brief(kind)}, which is the name of an answer type")


def score_textvqa(sample: Sample, text: str) -> Reading | None:
    """Score as LLaVA does: both sides through the M4C processor, always.

    The Hub's test split holds ten empty answers a question instead of none.

    Source: haotian-liu/LLaVA, `llava/eval/eval_textvqa.py` and `llava/eval/m4c_evaluator.py`.
    """
    if not any(sample.references):
        return None
    return Reading(m4c_accuracy(text, sample.references), m4c_answer(text))


def summarize_textvqa(scores: Sequence[Score]) -> Summary:
    """Average over the answered questions.

    Source: haotian-liu/LLaVA, `llava/eval/m4c_evaluator.py`, which also leaves out what has no
    answer.
    """
    return Summary({"accuracy": mean_of(scores)}, {})


def check_textvqa(sample: Sample) -> None:
    """Check that a sample has ten answers or, in the test split, none.

    Raises:
        DataError: It has another number; LLaVA's script stops there too.
    """
    if len(sample.references) not in (0, TEXTVQA_ANNOTATORS):
        raise DataError(
            f"{len(sample.references)} answers, must be {TEXTVQA_ANNOTATORS}, "
            "or none where the split withholds them"
        )


def score_vizwiz(sample: Sample, text: str) -> Reading | None:
    """Score LLaVA's upload with the VizWiz rule; `details` holds the older public release's.

    LLaVA's converter passes an answer through the M4C processor. The VizWiz evaluation then
    normalises it once more, by its own table, and compares it with the annotators' raw words:
    "two" is never right, since it arrives as "2" where the annotators' "two" stays.

    Source: haotian-liu/LLaVA, `scripts/convert_vizwiz_for_submission.py`; VizWiz Python API
    (Qing Li), `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.
    Departs: `accuracy` leaves each annotator out, as the paper of VizWiz says; the first public
    release fails to, and scores min(1, matches / 3): `accuracy_without_leave_one_out`.
    """
    if not sample.references:
        return None
    answer = vizwiz_answer(m4c_answer(text))
    older = without_leave_one_out(answer, sample.references)
    return Reading(leave_one_out(answer, sample.references), answer, (older,))


def summarize_vizwiz(scores: Sequence[Score]) -> Summary:
    """Average overall and per answer type.

    Source: VizWiz Python API (Qing Li), `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.
    Departs: The tool rounds to two decimals and stops with an exception where an answer is
    missing, and it also scores captions and a probability of being answerable, which LLaVA
    does not give.
    """
    return _summarize(scores, "accuracy_without_leave_one_out", ("answer_type",))


def check_vizwiz(sample: Sample) -> None:
    """Accept any number of annotators, as the VizWiz evaluation does."""


def _summarize(scores: Sequence[Score], second: str, groupings: Sequence[str]) -> Summary:
    """Average the values, and the first of their details under a second name."""

    def figures(some: Sequence[Score]) -> dict[str, Estimate]:
        clusters = cluster_numbers([score.sample.cluster for score in some])
        return {
            "accuracy": share_estimate([float(score.value or 0.0) for score in some], clusters),
            second: share_estimate([score.details[0] for score in some], clusters),
        }

    groups = {
        name: figures(members)
        for grouping in groupings
        for name, members in by_group(scores, grouping).items()
    }
    return Summary(figures(scores), groups)


VQAV2 = Scorer(
    1,
    ("accuracy", "upload_accuracy"),
    score_vqav2,
    summarize_vqav2,
    check_vqav2,
    references="a list of answers, one per annotator",
)
TEXTVQA = Scorer(
    1,
    ("accuracy",),
    score_textvqa,
    summarize_textvqa,
    check_textvqa,
    references="a list of ten answers, one per annotator",
)
VIZWIZ = Scorer(
    1,
    ("accuracy", "accuracy_without_leave_one_out"),
    score_vizwiz,
    summarize_vizwiz,
    check_vizwiz,
    references="a list of answers, one per annotator",
)
