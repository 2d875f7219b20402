"""Ten annotators, in the few constellations that the VQA rules tell apart."""

from __future__ import annotations


def ten(answer: str) -> list[str]:
    """All agree to the letter."""
    return [answer] * 10


def nine(answer: str) -> list[str]:
    """All but one agree, so that the official rule normalises."""
    return [answer] * 9 + ["something else"]


def some(number: int, answer: str) -> list[str]:
    """So many gave the answer, the others another one."""
    return [answer] * number + ["something else"] * (10 - number)
