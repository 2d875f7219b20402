"""Where an engine's time goes, measured from outside: by hooks on the model's own modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llava_eval.bench.floor import STAGES

IMAGES, REST = "images", "rest"
ALL_STAGES = (IMAGES, *STAGES, REST)
# A pass over questions has more tokens for each answer than this, one over answers has about one.
LONG = 4


class StageClock:
    """Adds up the time of each stage of a model that answers.

    A pass of the language model belongs to `prefix` if an image went in or the cache was empty.
    Whether another one belongs to `questions` or to `decode` shows in how many tokens the head
    then chooses from it. The head counts with its pass.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._pending: tuple[float, int] | None = None  # seconds and tokens of a pass
        self._last = ""
        self._saw_image = self._empty = False
        self._started = 0.0

    @contextmanager
    def watch(self, model: Any) -> Iterator[StageClock]:
        """Note the time of everything that this LLaVA does."""
        inner = model.model
        handles = []
        for module, note in (
            (inner.vision_tower, self._vision),
            (inner.multi_modal_projector, self._vision),
            (inner.language_model, self._language),
            (model.lm_head, self._head),
        ):
            handles.append(module.register_forward_pre_hook(self._begin, with_kwargs=True))
            handles.append(module.register_forward_hook(note))
        try:
            yield self
            self._settle("prefix")
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        cache = kwargs.get("past_key_values")
        self._empty = cache is None or cache.get_seq_length() == 0
        self._started = self.clock()

    def _vision(self, *_: Any) -> None:
        self.seconds["vision"] += self.clock() - self._started
        self._saw_image = True

    def _language(self, module: Any, args: Any, output: Any) -> None:
        seconds = self.clock() - self._started
        self._settle("prefix")
        if self._empty or self._saw_image:
            self.seconds["prefix"] += seconds
            self._last = "prefix"
        else:
            self._pending = (seconds, output.last_hidden_state[..., 0].numel())
        self._saw_image = False

    def _head(self, module: Any, args: Any, logits: Any) -> None:
        seconds = self.clock() - self._started
        if self._pending is not None:
            answers = logits[..., 0].numel()
            self._settle("decode" if self._pending[1] < LONG * answers else "questions")
        self.seconds[self._last] += seconds

    def _settle(self, stage: str) -> None:
        """Book the pass that is not booked yet; one that no answer came from to `stage`."""
        if self._pending is not None:
            self.seconds[stage] += self._pending[0]
            self._last, self._pending = stage, None
