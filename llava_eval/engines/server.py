"""The engine on an OpenAI-compatible server: vLLM, SGLang, `transformers serve`, a hosted API.

    requests -> grouped by image, identical requests once              (`grouping`)
    images   -> RGB, padded to a square, PNG, data URL; in threads, ahead of the requests
             -> chat completions, many at once, images in their order  (`client`)

Imports neither torch nor transformers: the model is elsewhere.
"""

from __future__ import annotations

import base64
import io
import platform
from array import array
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from PIL import Image

from llava_eval.client import Client
from llava_eval.endpoint import Endpoint, Usage
from llava_eval.engines import EngineSettings
from llava_eval.engines.grouping import Distinct, Work, ahead, group_by_image, image_digests
from llava_eval.errors import LlavaEvalError, UsageError, nearest
from llava_eval.families import FAMILIES, Family
from llava_eval.images import open_image, pad_to_square
from llava_eval.prices import Price, load_prices
from llava_eval.records import Json, Prediction, Request
from llava_eval.replies import Chat, Failure, Reply

ENCODERS = 4  # threads that make PNGs
# Every level is without loss; 6 takes two to four times as long to save a tenth of the bytes.
PNG_LEVEL = 1
DEFAULT_FAMILY = "llava-1.5"
# Failures wait for a success to stand beside: some in a row are bad luck, so many are not.
MOST_HELD = 32


class ServerEngine:
    """Greedy answers of a model that somebody else serves.

    Attributes:
        reported: What the server calls the model.
    """

    def __init__(
        self, client: Client, family: Family, reported: str, price: Price | None, currency: str
    ) -> None:
        self.client = client
        self.family = family
        self.reported = reported
        self.price = price
        self.currency = currency

    @classmethod
    def load(cls, settings: EngineSettings) -> ServerEngine:
        """Ask the server for a first word, so that a wrong address or key is told at once.

        Raises:
            UsageError: A setting is not known or missing.
            ServerError: The server does not answer.
        """
        family = _family(settings)
        client = Client(_endpoint(settings))
        prices = load_prices(settings.prices) if settings.prices else None
        price = prices.of(settings.model) if prices else None
        reported = client.probe().model
        return cls(client, family, reported, price, prices.currency if prices else "")

    def identity(self) -> Json:
        """Return all that is known and can change an answer.

        The server's own template, tokenizer, resizing and precision are not known here. Its
        `system_fingerprint` may change from reply to reply: `performance` counts them.
        """
        return {
            "engine": "server",
            "model": self.client.endpoint.model,
            "weights": f"served as {self.reported or self.client.endpoint.model}",
            "family": self.family.name,
            "template": "the server's own",
            "tokenisation": "the server's own, of the prompt in one piece",
            "pad_to_square": self.family.pad_to_square,
        }

    def environment(self) -> Json:
        """Return what is worth recording besides."""
        address = urlsplit(self.client.endpoint.base_url)
        return {
            "device": f"server {address.netloc}",
            "batch_size": self.client.endpoint.concurrency,
            "python": platform.python_version(),
        }

    def performance(self) -> Json:
        """Return requests, tries, tokens and empty answers so far, their cost, and who answered."""
        usage = self.client.usage
        used = {
            "requests": usage.requests,
            "retries": usage.retries,
            "prompt_tokens": usage.prompt_tokens,
            "new_tokens": usage.new_tokens,
            "empty": usage.empty,
        }
        versions = {" ".join(filter(None, version)): n for version, n in usage.versions.items()}
        cost = {}
        if self.price is not None:
            sum_ = self.price.cost(usage.prompt_tokens, usage.new_tokens)
            cost = {"cost": {"sum": sum_, "currency": self.currency}}
        return {"usage": {**used, **cost, "versions": versions}}

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        """Answer all requests; those about one image are sent one after the other.

        An unreadable image fails its own questions, a request that fails for good fails alone.

        Raises:
            ServerError: The server would fail every request.
        """
        self.client.usage = Usage()
        texts = [array("B", r.text.encode("utf-8", "surrogatepass")) for r in requests]
        works, failed = group_by_image(requests, texts, image_digests(requests))
        held = [_failed(request, error) for request, error in failed]
        for prompt, reply in self.client.ask(self._chats(works, held)):
            predictions = [_prediction(request, reply) for request in prompt.requests]
            if isinstance(reply, Failure):
                held += predictions
            else:
                yield [*held, *predictions]
                held.clear()
            if len(held) >= MOST_HELD:
                yield [*held]
                held.clear()
        if held:
            yield held

    def _chats(
        self, works: Sequence[Work], unread: list[Prediction]
    ) -> Iterator[tuple[Distinct, Chat]]:
        """Make requests as they are wanted; there are no more images ahead than on their way.

        Args:
            works: In the order in which they are sent.
            unread: Gets a failed prediction for every question about a picture that is none.
        """
        most = self.client.endpoint.concurrency - 1
        for work, url in ahead(self._data_url, works, ENCODERS, most):
            if isinstance(url, Exception):
                unread += [_failed(request, url) for request in work.requests]
                continue
            for prompt in work.prompts:
                yield prompt, self._chat(prompt, url)

    def _chat(self, prompt: Distinct, url: str) -> Chat:
        """Make the messages; all content is in parts, as some templates drop plain strings."""
        image = [{"type": "image_url", "image_url": {"url": url}}] if url else []
        text = {"type": "text", "text": prompt.requests[0].text}
        user = {"role": "user", "content": [*image, text]}
        content = [{"type": "text", "text": self.family.system}]
        system = [{"role": "system", "content": content}] if self.family.system else []
        return Chat([*system, user], prompt.max_new_tokens)

    def _data_url(self, work: Work) -> str | Exception:
        """Encode a picture, or say why not; "" without one."""
        if work.image is None:
            return ""
        try:
            image = open_image(work.image)
            if self.family.pad_to_square:
                image = pad_to_square(image, self.family.fill)
            return data_url(image)
        except Exception as error:  # noqa: BLE001 (the guard: it fails this image alone)
            return error


def data_url(image: Image.Image) -> str:
    """Encode a picture without loss."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=PNG_LEVEL)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _prediction(request: Request, reply: Reply | Failure) -> Prediction:
    if isinstance(reply, Failure):
        return Prediction(request.id, "", "error", reply.reason)
    text = reply.text.strip()
    return Prediction(request.id, text, reply.finish, "", reply.prompt_tokens, reply.new_tokens)


def _failed(request: Request, error: Exception) -> Prediction:
    known = isinstance(error, LlavaEvalError)
    reason = str(error) if known else f"{type(error).__name__}: {error}"
    return Prediction(request.id, "", "error", reason)


def _endpoint(settings: EngineSettings) -> Endpoint:
    return Endpoint(
        base_url=settings.base_url or "",
        model=settings.model,
        api_key_env=settings.api_key_env,
        concurrency=settings.concurrency,
        timeout=settings.timeout,
    )


def _family(settings: EngineSettings) -> Family:
    """Return the family that the user names, or else the one that the model's name has in it."""
    name = settings.family
    if name is None:
        named = (family for family in FAMILIES if family in settings.model.casefold())
        name = next(named, DEFAULT_FAMILY)
    if name not in FAMILIES:
        raise UsageError(f"--family {name}: not known; {nearest(name, FAMILIES)}")
    return FAMILIES[name]
