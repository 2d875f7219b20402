"""Every error a user can meet.

    LlavaEvalError            exit code 1: the user can put it right
    ├── UsageError            exit code 2: a wrong command line
    ├── CardError             a task card
    ├── DataError             a data set, an image
    ├── PredictionsError      a file of predictions
    ├── ModelError            a checkpoint
    ├── RunError              a run folder, or a run that was stopped
    │   └── UnfinishedError   some of a run's tasks; the others have their results
    ├── ServerError           a server that fails every request
    └── MixtureError          exit code 4: numbers that must not stand side by side

A message is one line: where, what is wrong with which value, what to do. The command line
catches `LlavaEvalError` once; any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llava_eval.records import Result


MOST_BITS = 200  # of a number that is written out in an error message
BRIEFLY = reprlib.Repr()
BRIEFLY.maxstring = BRIEFLY.maxother = 64
BRIEFLY.maxlist = BRIEFLY.maxtuple = BRIEFLY.maxdict = 4
BRIEFLY.maxlevel = 3


class LlavaEvalError(Exception):
    """Base of all errors that a user can put right."""

    exit_code = 1


class UsageError(LlavaEvalError):
    """A command line that cannot be carried out as it stands."""

    exit_code = 2


class CardError(LlavaEvalError):
    """A task card that does not say what a card must say."""


class DataError(LlavaEvalError):
    """A data set or an image that cannot be read or is not what it claims to be."""


class PredictionsError(LlavaEvalError):
    """A file of predictions that cannot be read or does not belong to the data."""


class ModelError(LlavaEvalError):
    """A checkpoint that cannot be loaded safely and exactly."""


class RunError(LlavaEvalError):
    """A run folder that holds another run, or a run that had to stop."""


class UnfinishedError(RunError):
    """A run of several tasks, of which not all have a result, or not all have their grades.

    Attributes:
        results: Of the tasks that finished, in their order; all of it is on disk too.
        failures: Name of each other task, or "judge", to what kept it.
    """

    def __init__(self, results: Sequence[Result], failures: Mapping[str, LlavaEvalError]) -> None:
        self.results, self.failures = list(results), dict(failures)
        reasons = "; ".join(f"{name}: {error}" for name, error in failures.items())
        super().__init__(f"{len(results)} tasks have results, but not all finished: {reasons}")


class ServerError(LlavaEvalError):
    """A server that cannot be reached, or fails every request: wrong key, unknown model."""


class MixtureError(LlavaEvalError):
    """Numbers that must not be compared or stand in one column."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def why(error: OSError) -> str:
    """Return what the system says of a fault, without number and name; a few say nothing.

    >>> why(FileNotFoundError(2, "No such file or directory", "a")), why(OSError("not seekable"))
    ('No such file or directory', 'not seekable')
    """
    return error.strerror or first_line(error)


def brief(value: Any) -> str:
    """Show a value of somebody's file as Python writes it, cut where it is long.

    >>> brief("x" * 1_000_000)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"
    >>> brief({"answers": ["a"] * 9})
    "{'answers': ['a', 'a', 'a', 'a', ...]}"
    """
    if isinstance(value, int) and value.bit_length() > MOST_BITS:  # Python may refuse to write it
        return f"a number of {value.bit_length():,} bits"
    return BRIEFLY.repr(value)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or all of them.

    >>> nearest("poep", ["pope", "mme"])
    "did you mean 'pope'?"
    >>> nearest("x", ["pope", "mme"])
    'known: mme, pope'
    """
    names = sorted(known)
    matches = difflib.get_close_matches(word.casefold(), names, n=1)
    return f"did you mean {matches[0]!r}?" if matches else f"known: {', '.join(names)}"
