"""Answers that must equal the reference, letter by letter."""

from __future__ import annotations


def gqa_answer(text: str) -> str:
    """Turn the model's words into what LLaVA submits to GQA's evaluation.

    Full stops at the end are taken off, then the rest is put in lower case. Nothing else
    happens: a blank at the end stays, and so do articles and all other punctuation, so
    "dog ", "a dog" and "dog!" are three answers that none of them equal "dog".

    Source: haotian-liu/LLaVA, `scripts/convert_gqa_for_eval.py`.

    >>> gqa_answer("The U.S."), gqa_answer("Dog. "), gqa_answer("...")
    ('the u.s', 'dog. ', '')
    """
    return text.rstrip(".").lower()
