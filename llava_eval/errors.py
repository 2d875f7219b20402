"""Every error a user can meet.

    LlavaEvalError            exit code 1: the user can put it right
    ├── UsageError            exit code 2: a wrong command line
    ├── CardError             a task card
    ├── DataError             a data set, an image
    ├── PredictionsError      a file of predictions
    ├── ModelError            a checkpoint
    ├── RunError              a run folder, or a run that was stopped
    ├── ServerError           a server that fails every request
    └── MixtureError          exit code 4: numbers that must not stand side by side

A message is one line: where, what is wrong with which value, what to do. The command line
catches `LlavaEvalError` once; any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class ServerError(LlavaEvalError):
    """A server that cannot be reached, or fails every request: wrong key, unknown model."""


class MixtureError(LlavaEvalError):
    """Numbers that must not be compared or stand in one column."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


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
