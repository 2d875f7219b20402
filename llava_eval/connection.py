"""Connections to a server, made by the `openai` package: what is changed of its own ways.

- A redirect is not followed: a 301 turns a question into a request without one, and whatever
  answers that is no answer of the model.
- A reply is read up to a limit, and none is asked for in compressed form, which has no limit.
- As many connections are kept as there are requests on their way, not a hundred.
- What the environment has wrong (a proxy, certificates) is one line that names the variable.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from urllib.request import proxy_bypass

from llava_eval.endpoint import MOST_CONCURRENCY, Endpoint
from llava_eval.errors import UsageError, first_line
from llava_eval.replies import BadReplyError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MIB = 2**20
MOST_BYTES = 8 * MIB  # of a reply, of which a long one has some ten thousand
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # the second is read without the first
CHATS = "chat/completions"
NO_CONNECTION = ("ConnectError", "ProxyError")


def connect(endpoint: Endpoint, key: str) -> AsyncOpenAI:
    """Make a client; connections come when they are needed, and are used again.

    Raises:
        UsageError: The environment names a proxy or certificates that cannot be used.
    """
    import openai

    http = _http_package(openai)

    async def bounded(response: Any) -> None:
        response.stream = http.ByteStream(await _content(response))

    limits = http.Limits(
        max_connections=MOST_CONCURRENCY, max_keepalive_connections=endpoint.concurrency
    )
    try:
        sender = openai.DefaultAsyncHttpxClient(
            timeout=endpoint.timeout,
            limits=limits,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"response": [bounded]},
        )
    except OSError as error:
        raise UsageError(_wrong(_set(CERTIFICATES)[:1], first_line(error))) from None
    except ImportError as error:  # a SOCKS proxy needs a package
        raise UsageError(_wrong(_proxies(), first_line(error))) from None
    except (ValueError, http.InvalidURL):  # its words may hold the proxy's password
        raise UsageError(_wrong(_proxies(), "no address of a proxy")) from None
    try:
        return openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=key or "none",  # the package insists on one
            max_retries=0,
            timeout=endpoint.timeout,
            http_client=sender,
        )
    except http.InvalidURL as error:
        raise UsageError(f"{endpoint.base_url}: no address of a server: {error}") from None


def _http_package(openai: ModuleType) -> ModuleType:
    """Return the package by which `openai` sends: httpx, or since its version 3 httpx2."""
    return sys.modules[type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0]]


async def _content(response: Any) -> bytes:
    """Read the body of a reply, and give its connection back.

    Raises:
        BadReplyError: It is longer than the limit, or compressed.
    """
    again = response.status_code >= 500
    coding = response.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise BadReplyError(f"a reply in {coding}, which was not asked for", again)
    parts, size = [], 0
    async for part in response.stream:
        size += len(part)
        if size > MOST_BYTES:
            raise BadReplyError(f"a reply of more than {MOST_BYTES // MIB} MiB", again)
        parts.append(part)
    await response.stream.aclose()
    return b"".join(parts)


def advice(base_url: str, error: BaseException) -> str:
    """Say what to do where no connection comes about; "" if one did.

    Args:
        base_url: Of the server.
        error: What the package's own package raised.
    """
    if type(error).__name__ not in NO_CONNECTION:
        return ""
    if "SSL" in str(error):
        return "$SSL_CERT_FILE can name a file of certificates to trust"
    parts = urlsplit(base_url)
    names = (f"{parts.scheme}_proxy", "all_proxy")
    used = next((each for name in names for each in _proxies() if each.lower() == name), "")
    if not used or proxy_bypass(parts.netloc):
        return "is the server running?"
    return f"${used} sends it through a proxy; NO_PROXY={parts.hostname} goes past it"


def moved_to(base_url: str, location: str) -> str:
    """Return the base URL to which a server sends all questions.

    >>> moved_to("http://host/v1", "https://host/v1/chat/completions?from=http")
    'https://host/v1'
    >>> moved_to("http://host/v1", "/api/v1/chat/completions")
    'http://host/api/v1'
    """
    try:
        address = urlsplit(urljoin(f"{base_url.rstrip('/')}/{CHATS}", location))
    except ValueError:
        return location
    return f"{address.scheme}://{address.netloc}{address.path.removesuffix(f'/{CHATS}')}"


def _proxies() -> list[str]:
    """Return the names of the variables that set a proxy; small letters go before."""
    names = [f"{scheme}_proxy" for scheme in ("http", "https", "all")]
    return _set([each for name in names for each in (name, name.upper())])


def _set(names: Sequence[str]) -> list[str]:
    return [name for name in names if os.environ.get(name)]


def _wrong(names: Sequence[str], what: str) -> str:
    given = " or ".join(f"${name}" for name in names)
    return f"no connection can be made: {given or 'the environment'}: {what}"
