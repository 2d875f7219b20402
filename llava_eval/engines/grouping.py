"""Requests to work: each image once, each prompt about it once. Pure Python."""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from llava_eval.records import ImageRef, Request

READERS = 4  # threads that read image files: the disk is slower than the hash
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(eq=False)
class Distinct:
    """A prompt about one image, and all requests that ask exactly this.

    Attributes:
        ids: Its tokens, the image as a single one.
        max_new_tokens: Limit of its answer.
        requests: At least one.
    """

    ids: array[int]
    max_new_tokens: int
    requests: list[Request] = field(default_factory=list)


@dataclass(eq=False)
class Work:
    """One image with everything that is asked about it; None stands for no image."""

    image: ImageRef | None
    prompts: list[Distinct]

    @property
    def requests(self) -> list[Request]:
        """All requests about this image."""
        return [request for prompt in self.prompts for request in prompt.requests]


def group_by_image(
    requests: Sequence[Request],
    ids: Sequence[array[int] | Exception],
    digests: Sequence[str | Exception],
) -> tuple[list[Work], list[tuple[Request, Exception]]]:
    """Put requests about the same picture together, and those that ask the same.

    Args:
        requests: In any order.
        ids: Tokens of each, or why it has none.
        digests: Of the image of each, or why it cannot be read.

    Returns:
        The work, images in the order of their first request; requests that fail, and why.
    """
    images: dict[str, dict[tuple[bytes, int], Distinct]] = {}
    failed = []
    for request, tokens, digest in zip(requests, ids, digests, strict=True):
        if isinstance(tokens, Exception):
            failed.append((request, tokens))
            continue
        if isinstance(digest, Exception):
            failed.append((request, digest))
            continue
        prompts = images.setdefault(digest, {})
        key = (tokens.tobytes(), request.max_new_tokens)
        prompts.setdefault(key, Distinct(tokens, request.max_new_tokens)).requests.append(request)
    return [_work(list(prompts.values())) for prompts in images.values()], failed


def _work(prompts: list[Distinct]) -> Work:
    return Work(next(iter(prompts[0].requests[0].images), None), prompts)


def image_digests(requests: Sequence[Request]) -> list[str | Exception]:
    """Name each request's picture by its content: the same one often has several names.

    A file is read once, however many rows name it.
    """
    refs: dict[object, ImageRef] = {}
    for request in requests:
        for image in request.images:
            refs.setdefault(image.key or id(image), image)
    with ThreadPoolExecutor(READERS) as readers:
        found = dict(zip(refs, readers.map(_digest, refs.values()), strict=True))
    return [found[r.images[0].key or id(r.images[0])] if r.images else "" for r in requests]


def _digest(image: ImageRef) -> str | Exception:
    try:
        return hashlib.sha256(image.read()).hexdigest()
    except Exception as error:  # noqa: BLE001 (the guard: it fails this image's questions alone)
        return error


def ahead(
    make: Callable[[Item], Made], items: Iterable[Item], threads: int, most: int
) -> Iterator[tuple[Item, Made]]:
    """Make things in threads, in order, at most so many before they are asked for."""
    with ThreadPoolExecutor(threads) as pool:
        coming: deque[tuple[Item, Future[Made]]] = deque()
        try:
            for item in items:
                coming.append((item, pool.submit(make, item)))
                if len(coming) > most:
                    first, made = coming.popleft()
                    yield first, made.result()
            while coming:
                first, made = coming.popleft()
                yield first, made.result()
        finally:
            pool.shutdown(cancel_futures=True)
