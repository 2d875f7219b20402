"""The optimiser and the learning-rate schedule both stages share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to `peak`, then a cosine down to 2 % of it.

    Attributes:
        peak: Highest learning rate.
        warmup: Steps of the linear rise.
        steps: Steps in all.
    """

    peak: float
    warmup: int
    steps: int

    def rate(self, number: int) -> float:
        """Return the learning rate of step `number`, counted from 0."""
        if number < self.warmup:
            return self.peak * (number + 1) / self.warmup
        done = (number - self.warmup) / max(1, self.steps - self.warmup)
        return self.peak * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)


def build_optimiser(model: nn.Module, rate: float) -> torch.optim.AdamW:
    """Create AdamW with weight decay on matrices only; biases and norms stay free."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": 0.05},
        {"params": [weight for weight in trained if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: Schedule,
    number: int,
    loss: torch.Tensor,
) -> None:
    """Take one optimisation step: set the rate, back-propagate, clip at 1, update."""
    for group in optimiser.param_groups:
        group["lr"] = schedule.rate(number)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
