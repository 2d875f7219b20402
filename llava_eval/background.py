"""An event loop beside the caller, and what comes out of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")


class Background:
    """An event loop in a thread of its own: the caller may have one already, as notebooks do."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Background:
        self.thread.start()
        return self

    def run(self, work: Coroutine[Any, Any, Made]) -> Future[Made]:
        """Begin some work."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def give_up(self) -> None:
        """Cancel what is not done."""
        self.run(_cancel_others()).result()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.give_up()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Arrivals(Generic[Key, Made]):
    """What is on its way, and what has arrived.

    Attributes:
        on_way: What was expected and not taken.
    """

    def __init__(self) -> None:
        self.on_way = 0
        self._done: SimpleQueue[tuple[Key, Future[Made]]] = SimpleQueue()

    @property
    def waiting(self) -> bool:
        """Whether something has arrived and was not taken."""
        return not self._done.empty()

    def expect(self, key: Key, future: Future[Made]) -> None:
        """Take note of something that will arrive."""
        self.on_way += 1
        future.add_done_callback(lambda future: self._done.put((key, future)))

    def take(self) -> tuple[Key, Made]:
        """Wait for the next arrival; raise what it raised."""
        key, future = self._done.get()
        self.on_way -= 1
        return key, future.result()

    def rest(self) -> Iterator[tuple[Key, Made]]:
        """Take what has arrived, but for what went wrong."""
        while self.waiting:
            key, future = self._done.get()
            if future.exception() is None:
                yield key, future.result()
