"""Option letters: what three benchmarks' own tools read out of an answer."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

SCIENCEQA_LETTERS = ("A", "B", "C", "D", "E")
SEED_LETTERS = ("A", "B", "C", "D")

# What stands for "no answer" in MMBench: the refusals of hosted models, as they word them.
NO_ANSWER = "Z"
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
API_FAILURE = "Failed to obtain answer via API"

_PUNCTUATION = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_NEAR_THE_END = 4  # words
_ANSWER_IS = re.compile(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)
_THE_ANSWER_IS = re.compile(r"The answer is ([A-Z]).")


def scienceqa_letter(text: str) -> str | None:
    """Read a letter as LLaVA's ScienceQA script does.

    The text is exactly one of A to E; or it begins with such a letter, a full stop and a space;
    or "The answer is X" with one more character behind it occurs exactly once. That character
    can be any but a newline, since the script's full stop is a wildcard: "The answer is Because"
    is B, "The answer is B" is nothing. Nothing is stripped: "B " is nothing.

    Args:
        text: The answer, as the runner stored it.

    Returns:
        A letter, not always one of the question's options (by the last form not even one of
        A to E), or None where the script says "FAILED".

    Source: haotian-liu/LLaVA, `llava/eval/eval_science_qa.py`.

    >>> scienceqa_letter("A. cat"), scienceqa_letter("The answer is B."), scienceqa_letter("A.")
    ('A', 'B', None)
    """
    if text in SCIENCEQA_LETTERS:
        return text
    if text[:1] in SCIENCEQA_LETTERS and text[1:3] == ". ":
        return text[0]
    found: list[str] = _THE_ANSWER_IS.findall(text)
    return found[0] if len(found) == 1 else None


def seed_letter(text: str) -> str | None:
    """Read a letter as LLaVA's SEED-Bench script does: the answer is one of A to D, or nothing.

    Source: haotian-liu/LLaVA, `scripts/convert_seed_for_submission.py`, which compares the text
    with the letter; its runner strips what the model says, so white space is stripped here.

    >>> seed_letter(" A"), seed_letter("A."), seed_letter("a")
    ('A', None, None)
    """
    letter = text.strip()
    return letter if letter in SEED_LETTERS else None


def vlmevalkit_letter(text: str, choices: Sequence[str]) -> str | None:
    """Infer a letter as VLMEvalKit does for multiple-choice questions, without a judge.

    By letter first: a known refusal is "Z"; else, with punctuation turned into spaces, exactly
    one of the options' letters is a word of the answer and stands among its last four; else no
    letter does and "Z" is a word of it; else the letter behind the first "answer is", in any
    case and whatever follows it ("answer is cold" is C). Then by text: exactly one option
    occurs in the answer, in any case, and the answer is at most twice as long as all options
    together. The article "A" counts as a letter.

    Args:
        text: The answer.
        choices: Texts of the options, in order.

    Returns:
        The letter of an option, "Z" for a refusal, or None where VLMEvalKit would ask a judge.

    Source: open-compass/VLMEvalKit, `vlmeval/utils/matching_util.py` at d21c5e96, without its
    environment variable VERBOSE.

    >>> vlmevalkit_letter("(B).", ["cat", "dog"]), vlmevalkit_letter("the dog", ["cat", "dog"])
    ('B', 'B')
    """
    letters = string.ascii_uppercase[: len(choices)]
    return _by_letter(text, letters) or _by_text(text, choices, letters)


def _by_letter(text: str, letters: str) -> str | None:
    if API_FAILURE in text:
        return None
    if any(refusal in text for refusal in REFUSALS):
        return NO_ANSWER
    words = text.translate(_PUNCTUATION).split()
    found = [letter for letter in letters if letter in words]
    if len(found) == 1 and words.index(found[0]) >= len(words) - _NEAR_THE_END:
        return found[0]
    if not found and NO_ANSWER in words:
        return NO_ANSWER
    match = _ANSWER_IS.search(text)
    named = match[1].upper() if match else ""
    return named if named and named in letters else None


def _by_text(text: str, choices: Sequence[str], letters: str) -> str | None:
    lowered = text.lower()
    if len(lowered) > 2 * sum(map(len, choices)):
        return None
    found = [
        letter for letter, choice in zip(letters, choices, strict=True) if choice.lower() in lowered
    ]
    return found[0] if len(found) == 1 else None
