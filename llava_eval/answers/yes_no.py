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


def mme_yes_no(text: str) -> str | None:
    """Read yes or no as MME's own tool does; None is its "other", which is always wrong.

    Only the first four characters count, in lower case: "yes" somewhere in them is yes, or
    else "no" somewhere in them is no. So "None", "Not sure" and "Know" are no, and "**Yes**",
    "Yeah" and "The answer is yes" are nothing.

    Source: `calculation.py` of MME's `eval_tool.zip` (BradyFU/Awesome-Multimodal-Large-
    Language-Models, branch Evaluation).
    Departs: A tab or newline in an answer shifts a column of the file that the tool reads and
    stops it; here both are characters like any other.

    >>> mme_yes_no("No."), mme_yes_no(" Yes, it is"), mme_yes_no("It is not")
    ('no', 'yes', None)
    """
    start = text.lower()[:4]
    return "yes" if "yes" in start else "no" if "no" in start else None
