"""The official VQA rule written out step by step: the measure of the fast one's digits and speed.

Nothing is remembered or counted ahead; every annotator is left out in turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llava_eval.answers.vqa_tables import ARTICLES, CONTRACTIONS, NUMBER_WORDS, PUNCTUATION


def plain_vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """Score one answer by the official rule of VQAv2.

    Args:
        answer: The model's words.
        references: One raw answer per annotator, at least one.

    Returns:
        In [0, 1].

    Source: the description of GT-Vision-Lab/VQA, `vqaEval.py`, in `llava_eval.answers.vqa`.
    """
    answer = _flat(answer)
    given = [_flat(reference) for reference in references]
    if len(set(given)) > 1:
        answer = _words(_marks(answer))
        given = [_words(_marks(reference)) for reference in given]
    shares = []
    for left_out in range(len(given)):
        agreeing = 0
        for place, reference in enumerate(given):
            if place != left_out and reference == answer:
                agreeing += 1
        shares.append(min(1.0, agreeing / 3))
    return sum(shares) / len(shares)


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
