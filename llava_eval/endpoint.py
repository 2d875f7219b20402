"""A model behind an OpenAI-compatible server: where it is, and what it was used for."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from llava_eval.errors import UsageError
from llava_eval.replies import Failure, Reply

KEY_VARIABLE = "OPENAI_API_KEY"
MOST_CONCURRENCY = 1000  # connections; a process may open few more files than that
LONGEST = 2000  # characters of an address


@dataclass(frozen=True)
class Endpoint:
    """A model behind a server, and how to speak to it.

    Attributes:
        base_url: Such as "http://localhost:8000/v1".
        model: The name by which the server knows it.
        api_key_env: Environment variable that holds the key. The key itself is kept nowhere.
        concurrency: Most requests on their way at once.
        timeout: Seconds that one try may take as a whole.
        retries: Further tries after errors of the server or the line. A rate limit does not
            count as one.
        patience: Seconds for which a server may turn away (429, or 503 with `Retry-After`)
            every request, or ask to be left alone.
        first_wait: Seconds before the first retry, doubled with each; jitter takes up to half.
    """

    base_url: str
    model: str
    api_key_env: str = KEY_VARIABLE
    concurrency: int = 32
    timeout: float = 120.0
    retries: int = 6
    patience: float = 600.0
    first_wait: float = 0.5

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname)
            known = known and self.base_url.isprintable() and len(self.base_url) <= LONGEST
            _ = parts.port
        except ValueError:
            known = False
        if not known:
            raise UsageError("--base-url: give http://host:port/v1 or https://host/v1")
        if parts.username or parts.password or parts.query:
            raise UsageError("--base-url: no user, password or query in it; see --api-key-env")
        if not 1 <= self.concurrency <= MOST_CONCURRENCY:
            raise UsageError(
                f"--concurrency {self.concurrency}: must be from 1 to {MOST_CONCURRENCY:,}"
            )
        if not self.timeout > 0:
            raise UsageError(f"--timeout {self.timeout}: must be more than 0 seconds")

    def api_key(self) -> str:
        """Return the key; "" if the usual variable is not set, as servers of one's own need none.

        Raises:
            UsageError: A variable of another name is not set, or what is in it is no key.
        """
        key = os.environ.get(self.api_key_env, "").strip()
        if not key and self.api_key_env != KEY_VARIABLE:
            raise UsageError(f"--api-key-env {self.api_key_env}: that variable is not set")
        if not (key.isascii() and key.isprintable()) or set(key) & set(" \"'\\"):
            raise UsageError(f"${self.api_key_env}: holds no API key: blanks or other signs in it")
        return key


@dataclass
class Usage:
    """What a client sent and got.

    Attributes:
        requests: Answered or failed for good.
        failed: Of these, those without an answer.
        retries: Further tries.
        empty: Answers without a sign, whose limit of tokens was spent: by a model that reasons
            first, mostly.
        prompt_tokens: As the server counts them, of the answers and of replies that could not
            be used: both are billed.
        new_tokens: The same.
        versions: How often each (model, system_fingerprint) answered.
    """

    requests: int = 0
    failed: int = 0
    retries: int = 0
    empty: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    versions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, reply: Reply | Failure) -> None:
        """Count one outcome."""
        self.requests += 1
        self.retries += reply.retries
        self.prompt_tokens += reply.lost_prompt_tokens
        self.new_tokens += reply.lost_new_tokens
        if isinstance(reply, Failure):
            self.failed += 1
        else:
            self.empty += reply.finish == "length" and not reply.text.strip()
            self.prompt_tokens += reply.prompt_tokens
            self.new_tokens += reply.new_tokens
            self.versions[reply.model, reply.system_fingerprint] += 1
