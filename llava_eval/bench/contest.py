"""Who takes part in the engine's benchmark, and what is measured of each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import torch

from llava_eval.engines.hf import HfEngine, left_pad
from llava_eval.engines.memory import forget_peak, peak_memory
from llava_eval.engines.timing import Clock, Stages
from llava_eval.records import Request

Answers = dict[str, tuple[str, int, int]]  # id: text, new tokens, prompt tokens


@dataclass(frozen=True)
class Timing:
    """One pass over a workload: seconds of processor and clock, most memory held, answers.

    `stages` are the engine's own; empty where another one answered.
    """

    cpu: float
    wall: float
    peak: int
    answers: Answers
    stages: dict[str, float]


def transformers_generate(engine: HfEngine, requests: Sequence[Request], rows: int) -> Answers:
    """Answer with transformers' own `generate`, `rows` requests at a time, as harnesses do.

    Every request brings its image, decoded and preprocessed for it. Requests of like length go
    together, so that hardly any padding is computed.
    """
    order = sorted(requests, key=lambda request: len(request.text))
    answers: Answers = {}
    for start in range(0, len(order), rows):
        encoded = [engine.encode(request) for request in order[start : start + rows]]
        ids, mask = left_pad([item.ids for item in encoded], engine.pad)
        pixels = [item.pixels for item in encoded if item.pixels is not None]
        with torch.inference_mode():
            output = engine.model.generate(
                input_ids=ids.to(engine.model.device),
                attention_mask=mask.to(engine.model.device),
                pixel_values=torch.cat(pixels).to(engine.model.device, engine.model.dtype),
                max_new_tokens=max(item.request.max_new_tokens for item in encoded),
            )
        for item, new in zip(encoded, output[:, ids.shape[1] :].tolist(), strict=True):
            answers[item.request.id] = _answer(engine, len(item.ids), new)
    return answers


def _answer(engine: HfEngine, prompt_tokens: int, new: list[int]) -> tuple[str, int, int]:
    end = next((place + 1 for place, token in enumerate(new) if token in engine.eos), len(new))
    text = engine.tokenizer.decode(new[:end], skip_special_tokens=True).strip()
    return text, end, prompt_tokens


def ours(engine: HfEngine, requests: Sequence[Request]) -> Answers:
    """Answer with the engine as users run it.

    Raises:
        RuntimeError: A request failed.
    """
    answers: Answers = {}
    for batch in engine.generate(requests):
        for prediction in batch:
            if prediction.failed:
                raise RuntimeError(f"{prediction.id}: {prediction.error}")
            answers[prediction.id] = (
                prediction.text,
                prediction.new_tokens,
                prediction.prompt_tokens,
            )
    return answers


def timed(engine: HfEngine, answer: Callable[[], Answers]) -> Timing:
    """Run one pass; its time is that of all threads of this process."""
    gc.collect()
    forget_peak(engine.model.device)
    engine.stages = Stages(engine.model.device)
    cpu, wall = process_time(), perf_counter()
    answers = answer()
    seconds = process_time() - cpu, perf_counter() - wall
    peak = peak_memory(engine.model.device)
    return Timing(*seconds, peak, answers, engine.stages.total())


def matmul_rate(
    model: Any, tokens: Sequence[int], clock: Clock = process_time, passes: int = 2
) -> float:
    """Measure the language model's own matrix products, layer after layer.

    Args:
        model: A LLaVA.
        tokens: Rows of the products to try; the best counts.
        clock: In seconds.
        passes: Through all layers, for each number of rows.

    Returns:
        Operations per second.
    """
    return max(_rate(list(linear_weights(model)), rows, clock, passes) for rows in tokens)


def linear_weights(model: Any) -> Iterator[torch.Tensor]:
    """Yield the weights of every linear layer of the language model but the head."""
    for module in model.model.language_model.modules():
        if isinstance(module, torch.nn.Linear):
            yield module.weight


@torch.inference_mode()
def _rate(weights: Sequence[torch.Tensor], rows: int, clock: Clock, passes: int) -> float:
    inputs = {w.shape[1]: torch.randn(rows, w.shape[1]).to(w) for w in weights}
    seconds, operations = 0.0, 0
    for turn in range(passes + 1):
        start = clock()
        for weight in weights:
            torch.nn.functional.linear(inputs[weight.shape[1]], weight)
        if turn:  # the first is to warm up
            seconds += clock() - start
            operations += sum(2 * rows * weight.numel() for weight in weights)
    return operations / seconds
