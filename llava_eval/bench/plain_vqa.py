"""The official VQA rule written out step by step: the measure of the fast one's digits and speed.

Nothing is remembered or counted ahead; every annotator is left out in turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llava_eval.answers.vqa_tables import ARTICLES, CONTRACTIONS, NUMBER_WORDS, PUNCTUATION

Record = dict[str, str | int]  # as in the annotation files: answer, answer_confidence, answer_id


def records(references: Sequence[str]) -> list[Record]:
    """Return answers as the annotation files have them."""
    return [
        {"answer": answer, "answer_confidence": "yes", "answer_id": number}
        for number, answer in enumerate(references, 1)
    ]


def plain_vqa_accuracy(answer: str, annotators: Sequence[Record]) -> float:
    """Score one answer by the official rule of VQAv2.

    Args:
        answer: The model's words.
        annotators: Their records, at least one; no two are equal, because each has its id.

    Returns:
        In [0, 1].

    Source: the description of GT-Vision-Lab/VQA, `vqaEval.py`, in `llava_eval.answers.vqa`.
    """
    raw = _flat(answer)
    given = [{**record, "answer": _flat(str(record["answer"]))} for record in annotators]
    if len({record["answer"] for record in given}) > 1:
        raw = plain_vqa_answer(raw)
        for record in given:
            record["answer"] = plain_vqa_answer(str(record["answer"]))
    shares = []
    for left_out in given:
        others = [record for record in given if record != left_out]
        agreeing = [record for record in others if record["answer"] == raw]
        shares.append(min(1.0, len(agreeing) / 3))
    return sum(shares) / len(shares)


def plain_vqa_answer(text: str) -> str:
    """Normalise one answer as the official rule does where annotators differ."""
    return _words(_marks(_flat(text)))


def _flat(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _marks(text: str) -> str:
    result = text
    for mark in PUNCTUATION:
        beside_space = mark + " " in text or " " + mark in text
        if beside_space or re.search(r"(\d)(,)(\d)", text):
            result = result.replace(mark, "")
        else:
            result = result.replace(mark, " ")
    return re.sub(r"(?!<=\d)(\.)(?!\d)", "", result, count=32)


def _words(text: str) -> str:
    words = []
    for word in text.lower().split():
        digit = NUMBER_WORDS.get(word, word)
        if digit not in ARTICLES:
            words.append(digit)
    return " ".join(CONTRACTIONS.get(word, word) for word in words)
