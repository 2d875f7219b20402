"""How much memory there is for the key-value cache, and how much was held at most."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
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
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    available = _linux("meminfo", "MemAvailable")
    # Elsewhere nothing tells what is free.
    return available or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def forget_peak(device: torch.device) -> None:
    """Start anew with the peak of memory, where the system can (GPUs, Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory(device: torch.device) -> int:
    """Return the most bytes held since `forget_peak`: on a GPU there, else by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    held = _linux("self/status", "VmHWM")
    if held:
        return held
    import resource  # not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _linux(name: str, key: str) -> int:
    """Read a number of bytes out of a file under /proc; 0 where there is none."""
    with suppress(OSError):
        for line in Path("/proc", name).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return 0
