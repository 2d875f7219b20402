r"""The floor: the floating-point operations that no engine can spare.

    each distinct image      encoded once
    each longest prefix      that all questions about an image share, prefilled once
    each distinct question   the tokens behind that prefix, prefilled once
    each generated token     one row of the head; all but the last also go through the model

A matrix product of (m, k) by (k, n) counts 2mkn. With T tokens, L layers, width h, width f inside
the MLP, and 1 + 576 = P places in the ViT, of which the layers up to the selected one are needed:

    ViT        2 * 576 * 3 * 14^2 * h  +  layers * (2 P (4 h^2 + 2 h f)  +  4 P^2 h)
    projector  2 * 576 * (h_vision h + h^2)
    LLaMA      L * (2 T (4 h^2 + 3 h f)  +  4 h * sum of (position + 1) over the T tokens)
    head       2 h * vocabulary for each generated token

The last term of ViT and LLaMA is attention: scores and weighted sum, each 2h for every pair of a
token and one that it sees. Norms, activations, softmax and rotary embeddings are not counted, nor
is the work of moving data; key-value heads may be fewer than heads.

That is the floor of whole layers, prefix by prefix. `least` counts less: the system text, which
all prefixes begin with, once for all; and of the last layer, where nothing is read from a token,
only its keys and values. An engine that spares these too can be faster than the floor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from llava_eval.bench.workloads import Workload
from llava_eval.engines.hf import HfEngine

STAGES = ("vision", "prefix", "questions", "decode")


@dataclass
class Floor:
    """Necessary operations by stage, and the counts behind them; `least` is for all stages."""

    vision: int = 0
    prefix: int = 0
    questions: int = 0
    decode: int = 0
    least: int = 0
    images: int = 0
    prefix_tokens: int = 0
    question_tokens: int = 0
    new_tokens: int = 0
    distinct: int = 0

    @property
    def total(self) -> int:
        """Operations of all stages."""
        return self.vision + self.prefix + self.questions + self.decode


def floor_of(
    engine: HfEngine, workload: Workload, answers: Mapping[str, tuple[str, int, int]]
) -> Floor:
    """Count what is necessary for a workload.

    Args:
        engine: Its model, and how it makes tokens of a request.
        workload: What is asked.
        answers: For each id the text, and the numbers of tokens of answer and prompt.
    """
    groups: dict[bytes, dict[tuple[int, ...], int]] = {}
    for request in workload.requests:
        ids = tuple(engine.encode(request).ids)
        groups.setdefault(request.images[0].read(), {})[ids] = answers[request.id][1]
    asked = [[(list(ids), new) for ids, new in group.items()] for group in groups.values()]
    return necessary(engine.model.config, asked)


def necessary(config: Any, groups: Iterable[Sequence[tuple[list[int], int]]]) -> Floor:
    """Count the necessary operations.

    Args:
        config: Of a LLaVA.
        groups: For each image its distinct prompts: token ids, image positions included, and
            the number of tokens that the answer has.
    """
    floor = Floor()
    text = config.text_config
    groups = list(groups)
    system = _system_length(config, groups)
    floor.least += language_flops(text, 0, system, read=0)
    for prompts in groups:
        prefix = common_length([ids for ids, _ in prompts])
        floor.images += 1
        floor.vision += vision_flops(config)
        floor.prefix += language_flops(text, 0, prefix)
        alone = any(len(ids) == prefix for ids, _ in prompts)
        floor.least += vision_flops(config)
        floor.least += language_flops(text, system, prefix - system, read=int(alone))
        floor.prefix_tokens += prefix
        floor.distinct += len(prompts)
        for ids, new in prompts:
            own, head = len(ids) - prefix, head_flops(text)
            decode = language_flops(text, len(ids), new - 1) + (new - 1) * head
            floor.questions += language_flops(text, prefix, own) + head
            floor.decode += decode
            floor.least += language_flops(text, prefix, own, read=min(own, 1)) + head + decode
            floor.question_tokens += own
            floor.new_tokens += new
    return floor


def _system_length(config: Any, groups: Sequence[Sequence[tuple[list[int], int]]]) -> int:
    """Count the tokens that all prompts begin with, before any image."""
    prompts: list[list[int]] = [ids for group in groups for ids, _ in group]
    common = prompts[0][: common_length(prompts)] if prompts else []
    image: int = config.image_token_id
    return common.index(image) if image in common else len(common)


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Return how many leading numbers all rows share.

    >>> common_length([[1, 2, 3], [1, 2, 4, 5]])
    2
    """
    columns = zip(*rows, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def vision_flops(config: Any) -> int:
    """Count the operations of one image: ViT up to the selected layer, and projector."""
    vision, width = config.vision_config, config.text_config.hidden_size
    patches = (vision.image_size // vision.patch_size) ** 2
    places, h, inner = patches + 1, vision.hidden_size, vision.intermediate_size
    selected = config.vision_feature_layer
    layers = selected if selected >= 0 else vision.num_hidden_layers + 1 + selected
    patching = 2 * patches * 3 * vision.patch_size**2 * h
    one_layer = 2 * places * (4 * h * h + 2 * h * inner) + 4 * places * places * h
    projector = 2 * patches * (h * width + width * width)
    return int(patching + layers * one_layer + projector)


def language_flops(text: Any, start: int, count: int, read: int | None = None) -> int:
    """Count the operations of `count` tokens that stand behind `start` others.

    Args:
        text: Configuration of the language model.
        start: Number of tokens in the cache.
        count: Number of tokens that go through the model.
        read: From how many, the last ones, something is read behind the last layer; of the
            others it needs keys and values only. None: whole layers for all.
    """
    h, layers = text.hidden_size, text.num_hidden_layers
    head = getattr(text, "head_dim", None) or h // text.num_attention_heads
    queries, keys = text.num_attention_heads * head, text.num_key_value_heads * head
    key_value = 2 * h * keys
    weights = h * 2 * queries + key_value + 3 * h * text.intermediate_size

    def whole_layer(start: int, count: int) -> int:
        pairs = count * start + count * (count + 1) // 2
        return int(2 * count * weights + 4 * queries * pairs)

    if read is None:
        return int(layers * whole_layer(start, count))
    unread = count - read
    last = 2 * unread * key_value + whole_layer(start + unread, read)
    return int((layers - 1) * whole_layer(start, count) + last)


def head_flops(text: Any) -> int:
    """Count the operations that choose one token."""
    return int(2 * text.hidden_size * text.vocab_size)
