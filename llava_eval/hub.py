"""The Hub: which of its errors may pass, and what to do about one that did not.

Single requests and files are tried again by huggingface_hub and datasets themselves: five times in
half a minute. Only the list of a model's files is not, see `checkpoint`. What is in the local cache
needs no Hub: with HF_HUB_OFFLINE=1 nobody asks it, and nothing ever waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from llava_eval.errors import first_line
from llava_eval.retries import file_fault

# By name, since huggingface_hub has changed its HTTP package twice: requests, httpx, httpx2.
OUT_OF_REACH = {
    "ConnectionError",  # also what stands for "switched off"
    "LocalEntryNotFoundError",  # not in the cache, after the Hub did not answer
    "NetworkError",
    "RemoteProtocolError",
    "Timeout",
    "TimeoutException",
}
TRANSIENT_CODES = {408, 425, 429, 500, 502, 503, 504}


def hub_fault(error: BaseException) -> bool:
    """Tell whether the Hub, or the way to it, may be back soon; never while it is switched off.

    >>> hub_fault(ConnectionError()), hub_fault(ValueError())
    (True, False)
    """
    return not offline() and _out_of_reach(error)


def offline() -> bool:
    """Tell whether the user has switched the Hub off, as huggingface_hub reads it."""
    given = [os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")]
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in given)


def hub_reason(error: BaseException) -> str:
    """Say why something could not be had, and what to do where that is known."""
    if not _out_of_reach(error):
        return first_line(error)
    if offline():
        return "it is not in the local cache, and HF_HUB_OFFLINE is set; unset it once to fetch it"
    return f"the Hub cannot be reached ({first_line(error)}); try again later"


def _out_of_reach(error: BaseException) -> bool:
    chain = list(_causes(error))
    names = {kind.__name__ for each in chain for kind in type(each).__mro__}
    codes = {getattr(getattr(each, "response", None), "status_code", None) for each in chain}
    return bool(names & OUT_OF_REACH or codes & TRANSIENT_CODES) or any(map(file_fault, chain))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
