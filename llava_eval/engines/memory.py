"""How many tokens the key-value cache may hold."""

from __future__ import annotations

import os
from typing import Any

import torch

SHARE_OF_FREE = 0.5  # the rest is for activations, images ahead, and everybody else


def cache_tokens(model: Any, gib: float | None) -> int:
    """Return the number of tokens that fit into the cache.

    Args:
        model: Loaded, on its device.
        gib: Memory that the cache may take; None: half of what is free on the device.
    """
    memory = gib * 2**30 if gib is not None else free_memory(model.device) * SHARE_OF_FREE
    return max(1, int(memory // bytes_per_token(model)))


def bytes_per_token(model: Any) -> int:
    """Count keys and values of all layers for one token."""
    config = model.config.text_config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(
        2 * config.num_hidden_layers * config.num_key_value_heads * size * model.dtype.itemsize
    )


def free_memory(device: torch.device) -> int:
    """Return the free bytes of a device; of the machine where the device shares its memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
