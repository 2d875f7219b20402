"""What a hosted model costs: a table of prices that the user gives."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from pathlib import Path

from llava_eval.errors import CardError, UsageError, nearest
from llava_eval.strict import load_record

TOKENS = 1_000_000  # that a price is for, as the providers' own tables have it


@dataclass(frozen=True)
class Price:
    """What a million tokens cost.

    Attributes:
        input: Of the prompt.
        output: Of the answer.
    """

    input: float
    output: float

    def cost(self, prompt_tokens: float, new_tokens: float) -> float:
        """Return what some tokens cost.

        >>> Price(2.5, 10.0).cost(1_000_000, 500_000)
        7.5
        """
        return (prompt_tokens * self.input + new_tokens * self.output) / TOKENS


@dataclass(frozen=True)
class Prices:
    """A table of prices.

    Attributes:
        currency: What they are in, such as "USD".
        models: Price by the name that the server knows the model by.
    """

    currency: str
    models: dict[str, Price]

    def of(self, model: str) -> Price:
        """Return the price of a model.

        Raises:
            UsageError: It is not in the table; the nearest is named.
        """
        if model not in self.models:
            raise UsageError(f"--prices: no price of {model!r}; {nearest(model, self.models)}")
        return self.models[model]


def load_prices(path: Path) -> Prices:
    """Read a table of prices, YAML or JSON.

    {"currency": "USD", "models": {"gpt-4o-2024-11-20": {"input": 2.5, "output": 10}}}

    Args:
        path: Of a file with exactly the fields of `Prices`.

    Raises:
        CardError: It cannot be read, has other fields, or a price is negative or no number.
    """
    prices = typing.cast(Prices, load_record(Prices, path))
    for name, price in prices.models.items():
        if price.input < 0 or price.output < 0:
            raise CardError(f"{path}: models: {name}: a price is negative; give 0 or more")
        if not (math.isfinite(price.input) and math.isfinite(price.output)):
            raise CardError(f"{path}: models: {name}: a price is not finite; give 0 or more")
    return prices
