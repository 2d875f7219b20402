"""What is asked of a server and what comes back: chat completions as plain records.

The OpenAI-compatible servers agree on these few fields, so they are read here, strictly, and
what is missing is a fault of the reply, never an empty answer.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llava_eval.records import MOST_COUNTED, Json

# Reasons to end with text that is no answer of the model.
WITHHELD = ("content_filter",)
TEXTS = ("text", "output_text")  # types of parts that an answer's text comes in
SHORTEST_SECRET = 8  # characters
MOST_WORDS = 200  # characters of a server's own words that an error repeats


@dataclass(frozen=True, slots=True)
class Chat:
    """One request to a chat model.

    Attributes:
        messages: As the API has them: role, and content as text or as parts.
        max_tokens: Limit of the answer.
        temperature: 0 is greedy.
    """

    messages: Sequence[Json]
    max_tokens: int
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a chat model.

    Attributes:
        text: Verbatim, white space included.
        finish: "stop", "length", or "" where the server does not say.
        model: What the server calls the model that answered.
        system_fingerprint: Its version of model and set-up; "" if it has none.
        prompt_tokens: As the server counts them; 0 if it does not.
        new_tokens: The same, of the answer.
        retries: Tries before this one.
        lost_prompt_tokens: Of earlier tries whose reply could not be used, and is billed too.
        lost_new_tokens: The same.
    """

    text: str
    finish: str
    model: str
    system_fingerprint: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0
    retries: int = 0
    lost_prompt_tokens: int = 0
    lost_new_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that has no answer for good.

    Attributes:
        reason: One line.
        retries: Tries before the last one.
        lost_prompt_tokens: Of all tries; a reply that could not be used is billed too.
        lost_new_tokens: The same.
    """

    reason: str
    retries: int = 0
    lost_prompt_tokens: int = 0
    lost_new_tokens: int = 0


class BadReplyError(Exception):
    """A reply that holds no answer. Its text may repeat the server's words, of any length.

    Attributes:
        again: Whether another try may help.
        prompt_tokens, new_tokens: What the server counted for it all the same.
    """

    def __init__(self, reason: str, again: bool = True) -> None:
        super().__init__(reason)
        self.again = again
        self.prompt_tokens = self.new_tokens = 0


def read_reply(body: bytes, retries: int = 0) -> Reply:
    """Read the body of a chat completion.

    Args:
        body: JSON, as it came.
        retries: Tries before this one.

    Raises:
        BadReplyError: It is no JSON, is cut short, or has no text.

    >>> read_reply(b'{"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}').text
    'yes'
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReplyError(f"a reply that is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadReplyError("a reply that is no JSON object")
    if content.get("error"):  # some gateways send their errors with status 200
        raise BadReplyError(f"an error in the reply: {words_of(content)}")
    usage = content.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    try:
        text, finish = _answer(content, tokens[1])
    except BadReplyError as error:
        error.prompt_tokens, error.new_tokens = tokens
        raise
    model, version = content.get("model"), content.get("system_fingerprint")
    return Reply(text, finish, str(model or ""), str(version or ""), *tokens, retries)


def _answer(content: Mapping[str, Any], spent: int) -> tuple[str, str]:
    """Return text and finish; `spent` are the new tokens that the server counted."""
    choices = content.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict):
        raise BadReplyError("a reply without choices")
    message, finish = first.get("message"), first.get("finish_reason") or ""
    text = _joined(message.get("content")) if isinstance(message, dict) else None
    if finish in WITHHELD:
        raise BadReplyError(f"no answer: the server ended with {finish!r}", again=False)
    if not isinstance(text, str):
        refusal = message.get("refusal") if isinstance(message, dict) else None
        if isinstance(refusal, str) and refusal:
            raise BadReplyError(f"the server refused: {refusal}", again=False)
        if finish == "length":  # the same limit would be met again
            raise BadReplyError(_nothing_left(spent), again=False)
        raise BadReplyError("a reply without text")
    return text, finish if finish in ("", "length") else "stop"


def _joined(content: object) -> object:
    """Return the text of content that comes in parts; other content as it is."""
    if not isinstance(content, list):
        return content
    parts = [part for part in content if isinstance(part, dict) and part.get("type") in TEXTS]
    texts = [str(part["text"]) for part in parts if isinstance(part.get("text"), str)]
    return "".join(texts) if texts and len(texts) == len(parts) else None


def _nothing_left(spent: int) -> str:
    tokens = f"all {spent:,} tokens" if spent else "all its tokens"
    return f"no answer: the model spent {tokens} before one; a model that reasons first needs more"


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if type(value) is int and 0 <= value <= MOST_COUNTED else 0


def words_of(body: object) -> str:
    """Return what a server says of an error; "" if nothing.

    >>> words_of({"error": {"message": "No such model"}})
    'No such model'
    """
    for name in ("error", "message", "detail"):
        if isinstance(body, Mapping) and body.get(name):
            body = body[name]
    return body if isinstance(body, str) else "" if body is None else json.dumps(body)


def without(text: str, secret: str) -> str:
    """Return a text with *** in the place of a secret.

    A short one is a placeholder, such as EMPTY, that servers without keys are given; its letters
    stand in many a word.

    >>> without("you sent sk-12345", "sk-12345"), without("EMPTY is no word", "EMPTY")
    ('you sent ***', 'EMPTY is no word')
    """
    return text.replace(secret, "***") if len(secret) >= SHORTEST_SECRET else text


def tell(text: str, secret: str) -> str:
    r"""Return the beginning of a text as one line, without a secret in it.

    >>> tell("Bearer sk-12345\n is no key", "sk-12345")
    'Bearer *** is no key'
    """
    whole = without(text, secret)  # first: a cut leaves half a secret
    line = " ".join(whole[: 2 * MOST_WORDS].split())
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 3] + "..."


def wait_asked_for(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to be left alone; None if it does not.

    Source: RFC 9110, section 10.2.3 (seconds or a date); `retry-after-ms` is OpenAI's own.

    >>> wait_asked_for({"retry-after": "2"})
    2.0
    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(0.0, date.timestamp() - time.time())
    except (KeyError, ValueError, OverflowError):  # a date before the first or after the last
        return None
