"""Chat completions of an OpenAI-compatible server: many at once, each answered exactly once.

    chats -> at most `concurrency` on their way -> (key, Reply | Failure), as they come

It speaks through the official `openai` package, an optional extra, imported when it is needed.
That package's own retries are off: they repeat no unreadable reply, let a server that sends a
byte now and then hold a request for ever, put no jitter on `Retry-After`, give up a rate limit
after a fixed number of tries, and do not say how often they tried.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from llava_eval.background import Arrivals, Background
from llava_eval.connection import advice, connect, moved_to
from llava_eval.endpoint import Endpoint, Usage
from llava_eval.errors import ServerError, UsageError, first_line
from llava_eval.replies import (
    BadReplyError,
    Chat,
    Failure,
    Reply,
    read_reply,
    tell,
    wait_asked_for,
    without,
    words_of,
)
from llava_eval.tables import one_line

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Key = TypeVar("Key")
LOG = logging.getLogger(__name__)

REDIRECTS = (301, 302, 303, 307, 308)
# What a limit of tokens is called. Later models of OpenAI refuse the first name, which is the one
# that every other server knows.
LIMIT, LATER_LIMIT = "max_tokens", "max_completion_tokens"
HELLO = 256  # tokens of a first answer: enough for a model that reasons before it
PROBES = 2  # further tries of a first request: a server that is down is told at once
DOUBLINGS = 6  # of the wait between two tries: at most 32 seconds
DOUBLINGS_WHEN_ASKED = 4  # of what jitter adds to `Retry-After`: at most 8 seconds
LONG_PAUSE = 10.0  # seconds; a longer one is told, but no more often than
TOLD_EACH = 60.0  # seconds
EXTRA = "servers and hosted judges need the package openai; pip install 'llava-eval[server]'"


class Client:
    """Sends chats to one endpoint.

    Attributes:
        usage: Of all that it has been asked so far.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Take note of an endpoint.

        Raises:
            UsageError: The key or the package openai is missing.
        """
        try:
            import openai
        except ImportError:
            raise UsageError(EXTRA) from None
        self._openai = openai
        self.endpoint = endpoint
        self.usage = Usage()
        self._key = endpoint.api_key()
        self._limit = LIMIT
        self._served = time.monotonic()  # when the server last answered anybody
        self._told = -TOLD_EACH  # when a long pause was last told
        self._dice = random.Random()  # noqa: S311 (waits, no secrets)

    def ask(self, chats: Iterable[tuple[Key, Chat]]) -> Iterator[tuple[Key, Reply | Failure]]:
        """Send chats and yield what comes back, in the order in which it comes.

        The next chat is taken, in the caller's thread, when there is room for it: no more than
        `concurrency` are held. Whoever stops listening stops the sending; what is on its way is
        then given up.

        Args:
            chats: Each with a key of the caller's, of any kind; made as they are wanted.

        Yields:
            Every key exactly once, with its answer or why there is none.

        Raises:
            ServerError: What would fail every request: wrong key, unknown model, no money.
                Answers that have arrived come first.
        """
        self._served = time.monotonic()
        arrivals: Arrivals[Key, Reply | Failure] = Arrivals()
        with Background() as background:
            server = background.run(self._connect()).result()
            try:
                for key, chat in chats:
                    arrivals.expect(key, background.run(self._answer(server, chat)))
                    while arrivals.on_way >= self.endpoint.concurrency or arrivals.waiting:
                        yield self._counted(*arrivals.take())
                while arrivals.on_way:
                    yield self._counted(*arrivals.take())
            except ServerError:
                for key, reply in arrivals.rest():
                    yield self._counted(key, reply)
                raise
            finally:
                background.give_up()
                background.run(server.close()).result()

    def probe(self) -> Reply:
        """Ask for a word, to know that the server answers and what it calls its model.

        Raises:
            ServerError: It does not answer.
        """
        patient = min(self.endpoint.retries, PROBES)
        client = Client(replace(self.endpoint, retries=patient))
        chat = Chat([{"role": "user", "content": "Hello"}], max_tokens=HELLO)
        ((_, reply),) = client.ask([("", chat)])
        if isinstance(reply, Failure):
            where = self.endpoint.base_url
            raise ServerError(f"{where}: no answer to a first request: {reply.reason}")
        self._limit = client._limit
        return reply

    def _counted(self, key: Key, reply: Reply | Failure) -> tuple[Key, Reply | Failure]:
        self.usage.add(reply)
        return key, reply

    async def _connect(self) -> AsyncOpenAI:
        """Make the client in the thread of its event loop."""
        return connect(self.endpoint, self._key)

    async def _answer(self, server: AsyncOpenAI, chat: Chat) -> Reply | Failure:
        """Try until there is an answer, or no hope of one."""
        tries = spent = read = written = 0
        while True:
            outcome = await self._try(server, chat, tries)
            if isinstance(outcome, Reply):
                return replace(outcome, lost_prompt_tokens=read, lost_new_tokens=written)
            read, written = read + outcome.prompt_tokens, written + outcome.new_tokens
            if outcome.stops:
                raise ServerError(f"{self.endpoint.base_url}: {outcome.reason}")
            if outcome.busy:
                alone = time.monotonic() - self._served
                hope = alone <= self.endpoint.patience
            else:
                self._served = time.monotonic()
                hope = outcome.again and spent < self.endpoint.retries
                spent += 1
            if not hope or (outcome.wait or 0) > self.endpoint.patience:
                return Failure(outcome.reason, tries, read, written)
            pause = self._pause(tries, outcome.wait)
            self._tell(outcome.reason, pause)
            await asyncio.sleep(pause)
            tries += 1

    async def _try(self, server: AsyncOpenAI, chat: Chat, tries: int) -> Reply | Fault:
        """Send a chat once."""
        openai, limit = self._openai, self._limit
        sending = server.chat.completions.with_raw_response.create(
            model=self.endpoint.model,
            # Checked against the package's types, messages take a third of its time.
            messages=[],
            extra_body={
                "messages": chat.messages,
                limit: chat.max_tokens,
                "temperature": chat.temperature,
            },
        )
        try:
            # The package's time-out is for each byte, this one for the whole try.
            raw = await asyncio.wait_for(sending, self.endpoint.timeout)
            reply = self._without_key(read_reply(raw.content, tries))
        except BadReplyError as error:
            reason, tokens = tell(str(error), self._key), (error.prompt_tokens, error.new_tokens)
            return Fault(reason, again=error.again, prompt_tokens=tokens[0], new_tokens=tokens[1])
        except (asyncio.TimeoutError, openai.APITimeoutError):
            return Fault(f"no answer within {self.endpoint.timeout:g} s", again=True)
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            words = tell(f"{type(cause).__name__}: {first_line(cause)}", self._key)
            what_to_do = advice(self.endpoint.base_url, cause)
            return Fault(
                "; ".join(filter(None, (f"no whole reply: {words}", what_to_do))), again=True
            )
        except openai.APIStatusError as error:
            if limit == LIMIT and error.status_code == 400 and _refuses_limit(words_of(error.body)):
                self._limit = LATER_LIMIT
                return await self._try(server, chat, tries)
            return self._refused(error.status_code, error.body, error.response.headers, error.code)
        except UnicodeError as error:  # half a surrogate pair in a question
            return Fault(f"cannot be sent: {tell(str(error), self._key)}")
        self._served = time.monotonic()
        return reply

    def _refused(
        self, status: int, body: object, headers: Mapping[str, str], code: str | None
    ) -> Fault:
        """Say what a status means for this request and for all."""
        said = tell(words_of(body), self._key)
        reason = f"HTTP {status}{': ' if said else ''}{said}"
        if what_to_do := self._advice(status, code, headers.get("location", "")):
            return Fault(f"{reason}; {what_to_do}", stops=True)
        if status == 403:
            reason += f"; is the key in ${self.endpoint.api_key_env} the right one?"
        wait = wait_asked_for(headers)
        busy = status == 429 or (status == 503 and wait is not None)
        return Fault(reason, again=status >= 500 or status in (408, 409), busy=busy, wait=wait)

    def _advice(self, status: int, code: str | None, location: str) -> str:
        """Say what to do about an error that every request would meet; "" for another."""
        if status == 401:
            return f"put a key that the server accepts into ${self.endpoint.api_key_env}"
        if status in REDIRECTS and location:
            address = tell(moved_to(self.endpoint.base_url, location), self._key)
            return f"redirected to {address}, which is not followed: give that address instead"
        if status in (404, 405):
            return f"the address must end in /v1, and {self.endpoint.model!r} be a model there"
        if status == 402 or code == "insufficient_quota":
            return "the account has nothing left; the same command continues when it has"
        return ""

    def _without_key(self, reply: Reply) -> Reply:
        """Take the key out of all that is kept of a reply."""
        text, model, version = (
            without(each, self._key) for each in (reply.text, reply.model, reply.system_fingerprint)
        )
        return replace(reply, text=text, model=model, system_fingerprint=version)

    def _tell(self, reason: str, pause: float) -> None:
        """Say why nothing happens for a while."""
        now = time.monotonic()
        if pause > LONG_PAUSE and now - self._told > TOLD_EACH:
            self._told = now
            words = f"{self.endpoint.base_url}: {reason}; trying again in {pause:.0f} s"
            LOG.warning("%s", one_line(words))

    def _pause(self, tries: int, asked: float | None) -> float:
        """Return the seconds until the next try: longer each time, and never all at once."""
        if asked is None:
            most = self.endpoint.first_wait * 2.0 ** min(tries, DOUBLINGS)
            return self._dice.uniform(most / 2, most)
        most = self.endpoint.first_wait * 2.0 ** min(tries, DOUBLINGS_WHEN_ASKED)
        return asked + self._dice.uniform(0, most)


def _refuses_limit(said: str) -> bool:
    """Whether a server says that it knows a limit of tokens by its later name only.

    >>> _refuses_limit("Unsupported parameter: 'max_tokens' is not supported with this model. "
    ...     "Use 'max_completion_tokens' instead.")
    True
    >>> _refuses_limit("'max_tokens' or 'max_completion_tokens' is too large: 5000")
    False
    """
    return LATER_LIMIT in said and "not supported" in said


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with one try.

    Attributes:
        reason: One line, without the key.
        again: Whether another try may help.
        busy: Whether the server has only too much to do.
        stops: Whether every other request would meet the same.
        wait: Seconds that the server asks for.
        prompt_tokens, new_tokens: What the server counted for a reply that is of no use.
    """

    reason: str
    again: bool = False
    busy: bool = False
    stops: bool = False
    wait: float | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0
