"""Short free answers, scored against several annotators: VQAv2, TextVQA, VizWiz.

Three published tools normalise an answer in almost the same way. What they share stands at the
end of this module; where they differ is in `vqa_answer`, `m4c_answer` and `vizwiz_answer`.

A full validation split of VQAv2 holds 2.4 million strings, but only some hundred thousand
different ones: each is normalised once and remembered, which is where the speed comes from. The
memory has no bound, because keeping one takes a third of the time again; all strings of VQAv2's
validation split take some 25 MiB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from llava_eval.answers.vqa_tables import (
    ARTICLES,
    CONTRACTIONS,
    NUMBER_WORDS,
    PUNCTUATION,
    VIZWIZ_CONTRACTIONS,
)

MARKS = frozenset(PUNCTUATION)
# The published look-behind, (?!<=\d), is malformed and holds everywhere: "3." loses its stop.
FULL_STOP = re.compile(r"\.(?!\d)")
# re.UNICODE, which is 32, is passed where `sub` takes the number of replacements.
MOST_FULL_STOPS = 32
COMMA_IN_NUMBER = re.compile(r"\d,\d")


def leave_one_out(answer: str, references: Sequence[str]) -> float:
    """Score an answer against every choice of all annotators but one, and average.

    With m matches an annotator who matches leaves m - 1 others that do, and one who does not
    leaves m; three of them are enough for full marks.

    Args:
        answer: Compared as it stands.
        references: One per annotator, at least one.

    Returns:
        In [0, 1]: with ten annotators 0, 0.3, 0.6, 0.9 and 1 for 0, 1, 2, 3 and more matches.

    Source: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.
    Departs: Thirds are counted as integers; the tool adds ten rounded floats, and the sum
    differs in the sixteenth digit.

    >>> [leave_one_out("cat", ["cat"] * m + ["dog"] * (10 - m)) for m in range(5)]
    [0.0, 0.3, 0.6, 0.9, 1.0]
    """
    return _left_out(references.count(answer), len(references))


@cache
def _left_out(matches: int, n: int) -> float:
    thirds = matches * min(3, max(0, matches - 1)) + (n - matches) * min(3, matches)
    return thirds / (3 * n)


def without_leave_one_out(answer: str, references: Sequence[str]) -> float:
    """Score an answer by the number of annotators who gave it: three are enough.

    Source: the first public release of the VizWiz Python API (Qing Li), `vqaEval.py`, which
    means to leave one out but compares records with text, so that nothing is left out.

    >>> without_leave_one_out("cat", ["cat", "cat", "dog"]) == 2 / 3
    True
    """
    return min(3, references.count(answer)) / 3


def vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """Score an answer by the official rule of VQAv2.

    Args:
        answer: The model's words.
        references: One raw answer per annotator, at least one.

    Returns:
        In [0, 1].

    Source: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.

    >>> vqa_accuracy("Red", ["red"] * 10), vqa_accuracy("RED", ["red"] * 9 + ["Red"])
    (0.0, 1.0)
    """
    rule, given = vqa_references(references)
    return leave_one_out(rule(answer), given)


def vqa_references(references: Sequence[str]) -> tuple[Callable[[str], str], list[str]]:
    """Return the references as the official rule of VQAv2 compares them, and its rule for answers.

    Where all annotators agree to the letter nothing is normalised, and the comparison is one of
    raw text: "Red" is wrong if all ten wrote "red".

    Source: as of `vqa_accuracy`.
    """
    agreed = len(set(map(flat, references))) == 1
    rule = flat if agreed else vqa_answer
    return rule, list(map(rule, references))


def m4c_accuracy(answer: str, references: Sequence[str]) -> float:
    """Score an answer by LLaVA's rule for TextVQA: both sides through the M4C processor.

    Args:
        answer: The model's words.
        references: Ten raw answers.

    Returns:
        In [0, 1].

    Source: haotian-liu/LLaVA, `llava/eval/m4c_evaluator.py`, TextVQAAccuracyEvaluator.

    >>> m4c_accuracy("Red.", ["red"] * 10)
    1.0
    """
    return leave_one_out(m4c_answer(answer), list(map(m4c_answer, references)))


@cache
def flat(text: str) -> str:
    """Turn newlines and tabs into spaces and strip."""
    return text.replace("\n", " ").replace("\t", " ").strip()


@cache
def vqa_answer(text: str) -> str:
    """Normalise an answer as the official VQA evaluation does where annotators differ.

    Source: GT-Vision-Lab/VQA, `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.

    >>> vqa_answer("The cat,dog."), vqa_answer("It's 1,000"), vqa_answer("dont")
    ('cat dog', "it's 1000", "don't")
    """
    return _plain_words(_without_punctuation(flat(text)), CONTRACTIONS)


@cache
def m4c_answer(text: str) -> str:
    """Normalise an answer as M4C's copy of the EvalAI processor does.

    Unlike the official rule it first deletes commas and question marks and sets a possessive
    apart, so "cat,dog" becomes one word and "it's" two.

    Source: haotian-liu/LLaVA, `llava/eval/m4c_evaluator.py`, EvalAIAnswerProcessor. Its pattern
    for a comma within a number never finds one, because the commas are gone by then.

    >>> m4c_answer("The cat,dog."), m4c_answer("It's 1,000"), m4c_answer("dont")
    ('catdog', "it 's 1000", "don't")
    """
    words = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return _plain_words(_without_punctuation(flat(words)), CONTRACTIONS)


@cache
def vizwiz_answer(text: str) -> str:
    """Normalise an answer as the VizWiz evaluation does; it never touches the references.

    Its contractions have typographic apostrophes: "dont" becomes a word that no annotator typed.

    Source: VizWiz Python API (Qing Li), `PythonEvaluationTools/vqaEvaluation/vqaEval.py`.

    >>> vizwiz_answer("The dont"), vizwiz_answer("Two")
    ('don’t', '2')
    """
    return _plain_words(_without_punctuation(flat(text)), VIZWIZ_CONTRACTIONS)


def _without_punctuation(text: str) -> str:
    """Remove 21 marks and the full stops that no digit follows.

    A mark that stands beside a space anywhere in the text is deleted wherever it occurs, any
    other becomes a space; a comma within a number makes all of them be deleted.
    """
    in_number = COMMA_IN_NUMBER.search(text) is not None
    bare = text
    for mark in MARKS.intersection(text):  # each goes its own way: their order moves nothing
        deleted = in_number or f"{mark} " in text or f" {mark}" in text
        bare = bare.replace(mark, "" if deleted else " ")
    return FULL_STOP.sub("", bare, count=MOST_FULL_STOPS)


def _plain_words(text: str, contractions: Mapping[str, str]) -> str:
    """Lower the case, write numbers up to ten as digits, drop articles, restore apostrophes."""
    numbers = (NUMBER_WORDS.get(word, word) for word in text.lower().split())
    return " ".join(contractions.get(word, word) for word in numbers if word not in ARTICLES)
