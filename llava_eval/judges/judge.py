"""The judge itself: behind a server, or a local text model.

`JUDGES` is the whole registry, `KNOWN` what is known before one is loaded; each entry imports its
module when it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from llava_eval.errors import UsageError, nearest
from llava_eval.records import Json
from llava_eval.replies import Chat, Failure, Reply

Key = TypeVar("Key")
# Flags of a server and of prices, which a judge's begin with "--judge-" beside.
FLAGS = ("--base-url", "--api-key-env", "--concurrency", "--timeout", "--prices")


@dataclass(frozen=True)
class JudgeSettings:
    """What a user can say about a judge.

    Attributes:
        model: The name by which its server knows it; a folder or "owner/name" on the Hub for a
            local one.
        engine: Key of `JUDGES`.
        base_url: Of the server, such as "https://api.openai.com/v1".
        api_key_env: Environment variable that holds the server's key.
        concurrency: Most calls on their way at once.
        timeout: Seconds that one try of a call may take.
        runs: How often each answer is judged.
        rules: The user's copies of the original words.
        prices: A table of prices.
        budget: Sum at which to stop, in the currency of the prices.
        match: Whether to ask about answers that an exact rule leaves open, too.
    """

    model: str
    engine: str = "server"
    base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 32
    timeout: float = 120.0
    runs: int = 1
    rules: tuple[Path, ...] = ()
    prices: Path | None = None
    budget: float | None = None
    match: bool = False

    def __post_init__(self) -> None:
        if not self.model:
            raise UsageError("--judge-model: is empty; name the judge")
        if self.engine not in JUDGES:
            raise UsageError(f"--judge-engine {self.engine}: {nearest(self.engine, JUDGES)}")
        if self.engine == "server" and not self.base_url:
            raise UsageError(
                "--judge-base-url: missing; give the server of the judge, such as "
                "https://api.openai.com/v1, or --judge-engine hf"
            )
        if self.engine != "server" and self.base_url:
            raise UsageError(
                f"--judge-base-url: a judge with --judge-engine {self.engine} has no server; "
                "leave one of the two out"
            )
        if self.runs < 1:
            raise UsageError(f"--judge-runs {self.runs}: must be at least 1")
        if self.engine == "hf" and self.runs > 1:
            raise UsageError("--judge-runs: a local judge is greedy, all its runs are the same")
        if self.budget is not None and not (math.isfinite(self.budget) and self.budget > 0):
            raise UsageError(f"--judge-budget {self.budget:g}: must be more than 0")
        if self.budget is not None and self.prices is None:
            raise UsageError(
                f"--judge-budget {self.budget:g}: needs --judge-prices, a file of what the "
                "judge's tokens cost"
            )


@contextmanager
def flags_of_a_judge() -> Iterator[None]:
    """Turn the flags that an error names into those of a judge."""
    try:
        yield
    except UsageError as error:
        words = str(error)
        for flag in FLAGS:
            words = words.replace(flag, f"--judge-{flag.removeprefix('--')}")
        raise UsageError(words) from error


class Judge(Protocol):
    """Anything that answers chats."""

    def ask(self, chats: Iterable[tuple[Key, Chat]]) -> Iterator[tuple[Key, Reply | Failure]]:
        """Answer chats as they are wanted, in any order, each exactly once."""

    def identity(self) -> Json:
        """Return all that can change a reply: "judge", its name, and what else is known."""

    def environment(self) -> Json:
        """Return what is worth recording besides."""


def _server(settings: JudgeSettings) -> Judge:
    from llava_eval.judges.hosted import HostedJudge

    return HostedJudge.load(settings)


def _hf(settings: JudgeSettings) -> Judge:
    from llava_eval.engines.text import TextJudge

    return TextJudge.load(settings.model)


def _named(settings: JudgeSettings) -> Json:
    return {"judge": settings.model, "engine": "server"}


def _weighed(settings: JudgeSettings) -> Json:
    from llava_eval.checkpoint import find_text_checkpoint

    checkpoint = find_text_checkpoint(settings.model)
    return {"judge": checkpoint.name, "engine": "hf", "weights": checkpoint.digest}


JUDGES: dict[str, Callable[[JudgeSettings], Judge]] = {"server": _server, "hf": _hf}
KNOWN: dict[str, Callable[[JudgeSettings], Json]] = {"server": _named, "hf": _weighed}


def load_judge(settings: JudgeSettings) -> Judge:
    """Load the judge that the settings name.

    Raises:
        UsageError: A setting is not known.
        ModelError: A local model cannot be loaded.
    """
    return JUDGES[settings.engine](settings)


def known_identity(settings: JudgeSettings) -> Json:
    """Return what is known of a judge's identity before it is loaded.

    Raises:
        ModelError: A local model does not exist or is unsafe.
    """
    return KNOWN[settings.engine](settings)


def check_loadable(settings: JudgeSettings) -> None:
    """Check what can be checked of a judge without a call.

    Raises:
        UsageError: An address or a setting is wrong, or a key or a package is missing.
        ModelError: A local model does not exist or is unsafe.
    """
    if settings.engine == "server":
        load_judge(settings)  # which sends nothing
    else:
        known_identity(settings)
