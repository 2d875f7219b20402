"""Where an engine's time goes: seconds by stage.

- images: pictures decoded and prepared, in threads beside the model
- vision: the vision tower and the projector
- prefix: what all questions about an image begin with, and the system text
- questions: what follows the prefix, up to the first token of each answer
- decode: all further tokens
- generate: with sharing off, all three in one, by transformers
- idle: the model waits for pictures
- other: grouping, tokenising, masks, writing
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch

Clock = Callable[[], float]  # seconds
STAGES = ("vision", "prefix", "questions", "decode", "generate", "idle", "other")
BESIDE = "images"
ALL_STAGES = (BESIDE, *STAGES)
MOST_MARKS = 1000  # of a GPU; then they are added up


class Stages:
    """Adds up the time of each stage; at every moment one of them goes on.

    On a GPU the stages are told apart by marks in its queue, so that nothing waits for it.
    """

    def __init__(self, device: torch.device, clock: Clock = perf_counter) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._device, self._on_gpu = device, device.type == "cuda"
        self._stack = ["other"]
        self._marks: list[tuple[str, Any]] = []
        self._last = self._mark()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time inside to a stage, and not to the one around it."""
        self._push(name)
        try:
            yield
        finally:
            self._pop(name)

    @contextmanager
    def watch(self, model: Any) -> Iterator[None]:
        """Count what the vision tower and the projector of a LLaVA take to `vision`."""
        tower, projector = model.model.vision_tower, model.model.multi_modal_projector
        handles = (
            tower.register_forward_pre_hook(lambda *_: self._push("vision")),
            projector.register_forward_hook(lambda *_: self._pop("vision")),
        )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def total(self) -> dict[str, float]:
        """Return the seconds of each stage up to now."""
        self._book(self._stack[-1])
        self._add_up()
        return {name: self.seconds[name] for name in ALL_STAGES if self.seconds[name]}

    def _push(self, name: str) -> None:
        self._book(self._stack[-1])
        self._stack.append(name)

    def _pop(self, name: str) -> None:
        self._book(self._stack[-1])
        # A pass that failed on its way left stages above this one.
        while self._stack.pop() != name:
            pass

    def _book(self, name: str) -> None:
        """Give the time since the last mark to a stage."""
        now = self._mark()
        self._marks.append((name, (self._last, now)))
        self._last = now
        if not self._on_gpu or len(self._marks) > MOST_MARKS:
            self._add_up()

    def _mark(self) -> Any:
        if not self._on_gpu:
            return self._clock()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def _add_up(self) -> None:
        if self._on_gpu:
            self._last.synchronize()
        for name, (start, end) in self._marks:
            self.seconds[name] += start.elapsed_time(end) / 1e3 if self._on_gpu else end - start
        self._marks.clear()
