"""Yes or no."""

from __future__ import annotations


def pope_yes_no(text: str) -> str:
    """Read yes or no as LLaVA's POPE script does.

    The text up to the first full stop, without commas, is split at single spaces; if one of
    the words is exactly "No", "not" or "no" the answer is no, and yes in every other case.
    So "NO", "None", "isn't" and the empty string are yes; nothing is ever left unread.

    Source: haotian-liu/LLaVA, `llava/eval/eval_pope.py`.

    >>> pope_yes_no("No, there is not."), pope_yes_no("NO"), pope_yes_no("")
    ('no', 'yes', 'yes')
    """
    words = text.split(".")[0].replace(",", "").split(" ")
    return "no" if any(word in ("No", "not", "no") for word in words) else "yes"
