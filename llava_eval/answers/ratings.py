"""A judge's replies: pairs of ratings, and degrees of correctness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MMVET_TRIES = 5


def llava_bench_ratings(reply: str) -> tuple[float, float] | None:
    r"""Read the two ratings of a reply as LLaVA's review script does.

    The first line, commas turned into spaces, must be exactly two numbers with one space
    between. So "8, 7", "8  7", "8 7 ", "Score: 8 7" and "8/10 7/10" are not read. What Python
    takes for a number is one: "nan", "inf", "-3" and "1e2" too.

    Args:
        reply: The judge's words, verbatim.

    Returns:
        Rating of the reference (assistant 1) and of the model (assistant 2), on whatever scale
        the judge used; None if they cannot be read.

    Source: haotian-liu/LLaVA, `llava/eval/eval_gpt_review_bench.py`.
    Departs: The script returns -1, -1 for what it cannot read; `scorers.rubric` has that.

    >>> llava_bench_ratings("8 6.5\nAssistant 1 ..."), llava_bench_ratings("8, 7")
    ((8.0, 6.5), None)
    """
    words = reply.split("\n")[0].replace(",", " ").split(" ")
    if len(words) != 2:
        return None
    try:
        return float(words[0]), float(words[1])
    except ValueError:
        return None


def mmvet_correctness(reply: str) -> float | None:
    """Read a degree of correctness as MM-Vet's evaluator does.

    The text before the first space must be a number in [0, 1]: "0.5 because" is read, but
    " 0.5", "0.5." and "Score: 0.5" are not.

    Args:
        reply: The judge's words, verbatim.

    Returns:
        In [0, 1]; None if it cannot be read: the evaluator asks again.

    Source: yuweihao/MM-Vet, `mm-vet_evaluator.py`.
    Departs: "nan" passes the evaluator's comparisons and makes its totals nan; here it is not
    a number in [0, 1], like any other word.

    >>> mmvet_correctness("0.5 because"), mmvet_correctness("Score: 0.5")
    (0.5, None)
    """
    try:
        value = float(reply.split(" ")[0])
    except ValueError:
        return None
    return abs(value) if 0 <= value <= 1 else None  # abs: "-0" passes, and is no -0.0 here


class MmvetRuns(NamedTuple):
    """The replies about one answer, sorted into runs of the judge.

    Attributes:
        scores: One per finished run, in [0, 1]; None where every try was unreadable.
        tries: Unreadable replies of a run that has not finished: 0 to 4.
    """

    scores: tuple[float | None, ...]
    tries: int


def mmvet_runs(replies: Sequence[str]) -> MmvetRuns:
    """Sort replies into runs: unreadable ones are tries of the run that they stand in.

    Args:
        replies: About one answer, in the order in which the judge gave them.

    Source: yuweihao/MM-Vet, `mm-vet_evaluator.py`: up to five replies of a run are read.
    Departs: After the fifth unreadable reply the evaluator asks once more and gives 0.0
    without reading what comes; here the fifth ends the run, and a sixth belongs to the next.

    >>> mmvet_runs(["0.5", "Good", "0.7", "none"])
    MmvetRuns(scores=(0.5, 0.7), tries=1)
    """
    scores: list[float | None] = []
    tries = 0
    for reply in replies:
        value = mmvet_correctness(reply)
        tries += 1
        if value is not None or tries == MMVET_TRIES:
            scores.append(value)
            tries = 0
    return MmvetRuns(tuple(scores), tries)
