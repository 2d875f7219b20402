"""Engines: requests to predictions.

`ENGINES` is the whole registry. Each entry imports its module when it is called, so that
nothing heavy is loaded before it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from llava_eval.endpoint import KEY_VARIABLE
from llava_eval.errors import UsageError, nearest
from llava_eval.records import Json, Prediction, Request


class Engine(Protocol):
    """Anything that answers requests."""

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        """Answer all requests, in any order, and yield answers as they arrive.

        A request that cannot be answered becomes a `Prediction` with its error.
        """

    def identity(self) -> Json:
        """Return all that can change an answer: model, digest, family, dtype, ..."""

    def environment(self) -> Json:
        """Return what is worth recording besides: versions, device, batch size."""

    def performance(self) -> Json:
        """Return what the last `generate` took: `stages`, `peak_memory_bytes`; {} if nothing."""


_SERVER_DECIDES = "the server decides that; leave it out"
# Settings that mean nothing to the server engine, and that mean nothing to the others.
OF_THE_PROCESS = {
    "revision": ("--revision", _SERVER_DECIDES),
    "device": ("--device", _SERVER_DECIDES),
    "device_map": ("--device-map", _SERVER_DECIDES),
    "dtype": ("--dtype", _SERVER_DECIDES),
    "attention": ("--attn", _SERVER_DECIDES),
    "memory": ("--memory", _SERVER_DECIDES),
    "share": ("--exact", _SERVER_DECIDES),
    "batch_size": ("--batch-size", "a server has --concurrency instead"),
    "allow_pickle": ("--allow-pickle", _SERVER_DECIDES),
    "trust_remote_code": ("--trust-remote-code", _SERVER_DECIDES),
}
_OF_SERVERS = "is for a server; add --engine server"
OF_A_SERVER = {
    "base_url": ("--base-url", _OF_SERVERS),
    "api_key_env": ("--api-key-env", _OF_SERVERS),
    "concurrency": ("--concurrency", _OF_SERVERS),
    "timeout": ("--timeout", _OF_SERVERS),
    "prices": ("--prices", _OF_SERVERS),
}


@dataclass(frozen=True)
class EngineSettings:
    """What a user can say about an engine.

    Attributes:
        model: "demo", a folder, or "owner/name" on the Hub; a predictions file for replay.
        engine: Key of `ENGINES`.
        revision: Branch, tag or commit on the Hub.
        family: Key of `families.FAMILIES`; None: recognised from the checkpoint.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        device_map: "auto" spreads a model that is larger than one GPU over all of them, which
            needs the package accelerate; None: the whole model on one device.
        dtype: "auto" (float32 on a CPU, else the checkpoint's own), "float32", "float16",
            "bfloat16".
        attention: An attention implementation of transformers.
        batch_size: Most images on their way at once (with sharing off, most requests).
        share: Whether the questions about one image share its encoding and prefix.
        memory: GiB that the key-value cache may take; None: half of what is free.
        allow_pickle: Accept weights that are not safetensors.
        trust_remote_code: Accept a checkpoint that brings Python code.
        base_url: Of the API, with engine "server": "http://localhost:8000/v1".
        api_key_env: Environment variable that holds the server's key.
        concurrency: Most requests on their way to the server at once.
        timeout: Seconds that the server may take for one try.
        prices: Table of what the server's tokens cost, see `prices.load_prices`.
    """

    model: str
    engine: str = "hf"
    revision: str | None = None
    family: str | None = None
    device: str = "auto"
    device_map: str | None = None
    dtype: str = "auto"
    attention: str = "sdpa"
    batch_size: int = 32
    share: bool = True
    memory: float | None = None
    allow_pickle: bool = False
    trust_remote_code: bool = False
    base_url: str | None = None
    api_key_env: str = KEY_VARIABLE
    concurrency: int = 32
    timeout: float = 120.0
    prices: Path | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            known = nearest(self.engine, ENGINES)
            raise UsageError(f"--engine {self.engine}: not known; {known}")
        if self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size}: must be at least 1")
        if self.device_map not in (None, "auto"):
            raise UsageError(
                f"--device-map {self.device_map}: not known; give auto or leave it out"
            )
        if self.device_map and self.device != "auto":
            raise UsageError("--device-map: chooses devices itself; leave --device out")
        if self.memory is not None and not (math.isfinite(self.memory) and self.memory > 0):
            raise UsageError(f"--memory {self.memory}: must be more than 0 GiB")
        self._check_server()

    def _check_server(self) -> None:
        """Refuse what only a server or only another engine knows, rather than ignore it."""
        defaults = {item.name: item.default for item in fields(self)}
        given = [name for name, default in defaults.items() if getattr(self, name) != default]
        if self.engine == "server" and not self.base_url:
            raise UsageError("--engine server: where is it? give --base-url http://host:port/v1")
        foreign = OF_THE_PROCESS if self.engine == "server" else OF_A_SERVER
        for name in given:
            if name in foreign:
                flag, advice = foreign[name]
                raise UsageError(f"{flag}: {advice}")


def _hf(settings: EngineSettings) -> Engine:
    from llava_eval.engines.hf import HfEngine

    return HfEngine.load(settings)


def _server(settings: EngineSettings) -> Engine:
    from llava_eval.engines.server import ServerEngine

    return ServerEngine.load(settings)


def _replay(settings: EngineSettings) -> Engine:
    from llava_eval.engines.replay import ReplayEngine

    return ReplayEngine.load(settings)


ENGINES: dict[str, Callable[[EngineSettings], Engine]] = {
    "hf": _hf,
    "server": _server,
    "replay": _replay,
}


def load_engine(settings: EngineSettings) -> Engine:
    """Load the engine that the settings name.

    Raises:
        UsageError: A setting is not known.
        ModelError: The model cannot be loaded safely and exactly.
    """
    return ENGINES[settings.engine](settings)
