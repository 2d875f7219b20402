"""Groups of questions to answers, whatever goes wrong on the way.

- an exception in the model fails the images that were on their way; the others go on;
- memory that does not suffice: the same images again, half as many at a time; a single image with
  half of its questions; a single question fails;
- logits that are no numbers fail their question; those beside it are asked again, alone, because
  NaN spreads through attention, even behind a mask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from llava_eval.engines.sharing import Group, Question, Sharing, columns_needed
from llava_eval.engines.slots import Slots
from llava_eval.engines.timing import Stages

# How allocators say that there is no memory left; the last is for cuBLAS, cuDNN and their like.
NO_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|out of memory|_ALLOC(?:ATION)?_FAILED",
    re.IGNORECASE,
)

Failed = list[tuple[Group, Exception]]


class Attempts:
    """Answers groups in slots, in fewer slots where memory does not suffice.

    Attributes:
        shortages: How often memory did not suffice.
        most: Slots that are tried at most; falls with every shortage.
    """

    def __init__(
        self, model: Any, eos: Sequence[int], stages: Stages, system: Sequence[int], most: int
    ) -> None:
        self.model, self.eos, self.stages, self.system = model, eos, stages, system
        self.most = most
        self.shortages = 0

    def answer(
        self, groups: Iterator[Group], count: int, columns: int
    ) -> Iterator[tuple[list[Group], Failed]]:
        """Answer groups in slots of one size.

        Args:
            groups: Taken as slots become free.
            count: Most slots.
            columns: Of each slot.

        Yields:
            Groups that are done, and groups that failed, with the reason.

        Raises:
            Exception: Whatever the model raises while no group is on its way.
        """
        alone: list[Group] = []
        while True:
            count = min(count, self.most)
            slots = Slots(count, columns, self.model.device)
            sharing = Sharing(self.model, self.eos, slots, self.stages, self.system)
            try:
                for done in sharing.answer(groups):
                    spoilt = [g for g in done if len(g.questions) > 1 and _spoilt(g)]
                    alone += [each for group in spoilt for each in _parts(group, 1)]
                    yield [group for group in done if group not in spoilt], []
                break
            except Exception as error:  # the guard: whatever went wrong is recorded
                on_their_way = [slot.group for slot in sharing.busy]
                if not on_their_way:  # nobody would learn of it
                    raise
                # The frames of a traceback hold the cache.
                reason = error.with_traceback(None)
            del slots, sharing
            if out_of_memory(reason):
                yield from self._in_less_memory(on_their_way, count, columns, reason)
            else:
                yield [], [(group, reason) for group in on_their_way]
        if alone:
            yield from self.answer(iter(alone), count, columns)

    def _in_less_memory(
        self, groups: Sequence[Group], count: int, columns: int, reason: Exception
    ) -> Iterator[tuple[list[Group], Failed]]:
        """Answer again what did not fit, half as much at a time."""
        self.shortages += 1
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        for question in (q for group in groups for q in group.questions):
            question.new.clear()
        if count > 1:
            self.most = max(1, min(count, len(groups)) // 2)
            yield from self.answer(iter(groups), self.most, columns)
            return
        for group in groups:
            for half in _parts(group, (len(group.questions) + 1) // 2):
                needed = columns_needed(half.questions, len(half.prefix))
                if len(group.questions) > 1 or needed < columns:
                    yield from self.answer(iter([half]), 1, needed)
                else:
                    yield [], [(group, reason)]


def out_of_memory(error: Exception) -> bool:
    """Tell whether an allocator has nothing left, on whatever device.

    >>> out_of_memory(RuntimeError("[enforce fail] ... DefaultCPUAllocator: can't allocate memory"))
    True
    >>> out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."))
    True
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error)))


def _spoilt(group: Group) -> bool:
    return any(question.error for question in group.questions)


def _parts(group: Group, size: int) -> Iterator[Group]:
    """Cut a group into groups of so many questions, to be asked anew."""
    for start in range(0, len(group.questions), size):
        some = group.questions[start : start + size]
        fresh = [Question(q.ids, q.max_new_tokens, q.label) for q in some]
        yield Group(group.prefix, group.pixels, fresh)
