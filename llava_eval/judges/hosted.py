"""A judge behind an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import TypeVar

from llava_eval.client import Client
from llava_eval.endpoint import Endpoint
from llava_eval.judges.judge import JudgeSettings, flags_of_a_judge
from llava_eval.records import Json
from llava_eval.replies import Chat, Failure, Reply

Key = TypeVar("Key")


class HostedJudge:
    """Sends chats to a server.

    What the server says of its version comes with every reply, and is kept with it.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    @classmethod
    def load(cls, settings: JudgeSettings) -> HostedJudge:
        """Take note of the server; nothing is sent yet.

        Raises:
            UsageError: An address or a setting is wrong, or the package openai is missing.
        """
        with flags_of_a_judge():
            endpoint = Endpoint(
                settings.base_url,
                settings.model,
                settings.api_key_env,
                settings.concurrency,
                settings.timeout,
            )
            return cls(Client(endpoint))

    def ask(self, chats: Iterable[tuple[Key, Chat]]) -> Iterator[tuple[Key, Reply | Failure]]:
        """Send chats and yield what comes back, in the order in which it comes.

        Raises:
            ServerError: What would fail every call: wrong key, unknown model, no money.
        """
        return self.client.ask(chats)

    def identity(self) -> Json:
        """Return the judge's name: all that is known of it before it replies."""
        return {"judge": self.client.endpoint.model, "engine": "server"}

    def environment(self) -> Json:
        """Return where the server is, and the version of the client."""
        return {"base_url": self.client.endpoint.base_url, "openai": version("openai")}
