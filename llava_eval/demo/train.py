"""Train the demo checkpoint from scratch: `python -m llava_eval.demo.train --out DIR`.

The whole recipe runs on one CPU core and is seeded. The same machine gives the same weights;
another processor rounds differently, and over thousands of steps that grows. Use the weights
that are shipped wherever numbers are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from llava_eval.demo.architecture import build_model
from llava_eval.demo.curriculum import PHASES, Phase
from llava_eval.demo.evaluate import as_table, evaluate
from llava_eval.demo.export import export, install_vision
from llava_eval.demo.language import train_language
from llava_eval.demo.tokenizer import build_tokenizer
from llava_eval.demo.vision import train_vision

VISION_STEPS = 1500
REHEARSAL_STEPS = 10


def train(folder: Path, seed: int, vision_steps: int, phases: Sequence[Phase]) -> None:
    """Run the recipe from the tokenizer to the exported folder.

    Args:
        folder: Where the checkpoint goes; also written at every report on the way.
        seed: Seeds everything.
        vision_steps: Steps of stage 1.
        phases: What stage 2 does.
    """
    tokenizer = build_tokenizer(seed)
    tower = train_vision(seed, vision_steps)
    torch.manual_seed(seed)
    model = build_model(tokenizer)
    install_vision(model, tower)

    def keep() -> None:
        export(model, tokenizer, folder)

    for phase in phases:
        train_language(model, tower, tokenizer, phase, seed, keep)


def main() -> None:
    """Parse the command line, train, and print the accuracy table."""
    parser = argparse.ArgumentParser(description="Train the demo checkpoint from scratch.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rehearse", action="store_true", help="a few steps of everything")
    options = parser.parse_args()
    # One thread: as fast as two at this size, and the order of sums stays the same.
    torch.set_num_threads(1)
    steps = REHEARSAL_STEPS if options.rehearse else VISION_STEPS
    phases = [replace(phase, steps=steps) for phase in PHASES] if options.rehearse else PHASES
    train(options.out, options.seed, steps, phases)
    print(as_table(evaluate(options.out)))


if __name__ == "__main__":
    main()
