"""Train the demo checkpoint from scratch: `python -m llava_eval.demo.train --out DIR`.

The whole recipe runs on one CPU core and is seeded. The same machine gives the same weights;
another processor rounds differently, and over thousands of steps that grows. Use the weights
that are shipped wherever numbers are compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from llava_eval.demo.architecture import build_model
from llava_eval.demo.evaluate import as_table, evaluate
from llava_eval.demo.export import export, install_vision
from llava_eval.demo.language import train_language
from llava_eval.demo.tokenizer import build_tokenizer
from llava_eval.demo.vision import train_vision

VISION_STEPS = 1500
LANGUAGE_STEPS = 4500


def train(folder: Path, seed: int, vision_steps: int, language_steps: int) -> None:
    """Run the recipe from the tokenizer to the exported folder.

    Args:
        folder: Where the checkpoint goes; also written at every report on the way.
        seed: Seeds everything.
        vision_steps: Steps of stage 1.
        language_steps: Steps of stage 2.
    """
    tokenizer = build_tokenizer(seed)
    tower = train_vision(seed, vision_steps)
    torch.manual_seed(seed)
    model = build_model(tokenizer)
    install_vision(model, tower)

    def keep() -> None:
        export(model, tokenizer, folder)

    train_language(model, tower, tokenizer, seed, language_steps, keep)


def main() -> None:
    """Parse the command line, train, and print the accuracy table."""
    parser = argparse.ArgumentParser(description="Train the demo checkpoint from scratch.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vision-steps", type=int, default=VISION_STEPS)
    parser.add_argument("--language-steps", type=int, default=LANGUAGE_STEPS)
    options = parser.parse_args()
    # One thread: as fast as two at this size, and the order of sums stays the same.
    torch.set_num_threads(1)
    train(options.out, options.seed, options.vision_steps, options.language_steps)
    print(as_table(evaluate(options.out)))


if __name__ == "__main__":
    main()
