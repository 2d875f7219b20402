"""`python -m llava_eval.demo.damage --out FOLDER`: a copy of the demo checkpoint with a fault.

The fault is a seeded one: noise on the weights of one decoder layer. What it costs is a part of
most benchmarks' numbers, so that a comparison of the two has something to show.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from llava_eval.resources import resource

# Tried out: of the ten scored benchmarks ScienceQA loses 2 points, the others 5 to 20 or more.
LAYER = 0
AMOUNT = 0.9
SEED = 2
WEIGHTS = "model.safetensors"

Weights = dict[str, NDArray[Any]]


def damaged(weights: Mapping[str, NDArray[Any]], layer: int, amount: float, seed: int) -> Weights:
    """Return the weights with noise on the matrices of one decoder layer.

    Args:
        weights: Names as on the Hub to arrays.
        layer: Number of the decoder layer, from 0.
        amount: Standard deviation of the noise, in that of each matrix' own weights.
        seed: Of the noise.

    Raises:
        KeyError: There is no such layer.
    """
    part = f"language_model.model.layers.{layer}."
    # Vectors are the norms' scales: noise on them is another fault than noise on the weights.
    names = sorted(name for name in weights if name.startswith(part) and weights[name].ndim == 2)
    if not names:
        raise KeyError(f"layer {layer}: the checkpoint has no weight named {part}*")
    generator = np.random.default_rng(seed)
    changed = {name: _noisy(weights[name], amount, generator) for name in names}
    return {**weights, **changed}


def _noisy(weight: NDArray[Any], amount: float, generator: np.random.Generator) -> NDArray[Any]:
    wide = weight.astype(np.float64)
    noise = generator.standard_normal(weight.shape) * (amount * wide.std())
    changed: NDArray[Any] = (wide + noise).astype(weight.dtype)
    return changed


def write_damaged(
    folder: Path, layer: int = LAYER, amount: float = AMOUNT, seed: int = SEED
) -> Path:
    """Write a copy of the demo checkpoint that has lost a part of what it knew.

    Args:
        folder: Created if missing; files in it are replaced.
        layer, amount, seed: As in `damaged`.

    Returns:
        The folder.
    """
    source = resource("llava_eval/demo/checkpoint")
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.json")):
        shutil.copyfile(path, folder / path.name)
    weights = damaged(load_file(source / WEIGHTS), layer, amount, seed)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def main() -> None:
    """Parse the command line and write the checkpoint."""
    parser = argparse.ArgumentParser(description="Write a damaged copy of the demo checkpoint.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the copy")
    parser.add_argument("--layer", type=int, default=LAYER, help="decoder layer (%(default)s)")
    parser.add_argument(
        "--amount",
        type=float,
        default=AMOUNT,
        help="noise, in the weights' deviation (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of the noise (%(default)s)")
    options = parser.parse_args()
    print(write_damaged(options.out, options.layer, options.amount, options.seed))


if __name__ == "__main__":
    main()
