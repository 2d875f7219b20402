"""Stage 1: teach the vision tower to say, at every patch, what stands there.

Linear heads on every patch name the digit, its colour, whether the patch is the upper left one of a
digit, and the patch's own row and column. The heads are thrown away afterwards. Without those for
row and column the position is lost at the layer LLaVA reads, and every spatial question with it.
"""

from __future__ import annotations

import random
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionModel

from llava_eval.demo.architecture import GRID, HIDDEN, pixel_values, vision_config
from llava_eval.demo.optimisation import Schedule, build_optimiser, step
from llava_eval.demo.scenes import COLOURS, Scene, Split, draw, random_scene, seeded

NOTHING = 10
IGNORED = -100
HEADS = {"digit": 11, "colour": len(COLOURS), "corner": 2, "row": GRID, "col": GRID}
WEIGHTS = {"digit": 1.0, "colour": 0.5, "corner": 0.5, "row": 0.3, "col": 0.3}
BACKGROUND_WEIGHT = 0.3
BATCH = 64


def patch_labels(scene: Scene) -> dict[str, torch.Tensor]:
    """Say what stands at every patch of a scene once it is padded and resized.

    Args:
        scene: Any scene; its grid of cells is centred in the 3 x 3 cells of the square.

    Returns:
        One int64 tensor [36] per key of `HEADS`; colour is `IGNORED` where there is no digit.
    """
    places = torch.arange(GRID * GRID)
    digit = torch.full((GRID, GRID), NOTHING)
    colour = torch.full((GRID, GRID), IGNORED)
    corner = torch.zeros(GRID, GRID, dtype=torch.long)
    for item in scene.digits:
        top, left = 3 - scene.rows + 2 * item.row, 3 - scene.cols + 2 * item.col
        digit[top : top + 2, left : left + 2] = item.value
        colour[top : top + 2, left : left + 2] = list(COLOURS).index(item.colour)
        corner[top, left] = 1
    return {
        "digit": digit.flatten(),
        "colour": colour.flatten(),
        "corner": corner.flatten(),
        "row": places // GRID,
        "col": places % GRID,
    }


def stack_labels(scenes: list[Scene]) -> dict[str, torch.Tensor]:
    """Stack the patch labels of several scenes: int64 [N, 36] per key of `HEADS`."""
    rows = [patch_labels(scene) for scene in scenes]
    return {name: torch.stack([row[name] for row in rows]) for name in HEADS}


def distort(pixels: torch.Tensor) -> torch.Tensor:
    """Vary the gain of each channel and add noise; for training only."""
    gain = 1 + 0.08 * torch.randn(len(pixels), 3, 1, 1)
    return pixels * gain + 0.08 * torch.randn_like(pixels)


def sample_pixels(rng: random.Random, split: Split, count: int) -> tuple[list[Scene], torch.Tensor]:
    """Draw scenes, augmented when they are for training.

    Returns:
        The scenes and their pixels, float32 [count, 3, 84, 84].
    """
    scenes = [random_scene(rng, split) for _ in range(count)]
    train = split == "train"
    pixels = pixel_values([draw(scene, rng if train else None) for scene in scenes])
    return scenes, distort(pixels) if train else pixels


def patch_features(tower: CLIPVisionModel, pixels: torch.Tensor) -> torch.Tensor:
    """Run the three used layers: float32 [N, 36, 128], the class token dropped."""
    states: torch.Tensor = tower(pixel_values=pixels).last_hidden_state
    return states[:, 1:]


def _loss(logits: dict[str, torch.Tensor], labels: dict[str, torch.Tensor]) -> torch.Tensor:
    digit_weights = torch.ones(HEADS["digit"])
    digit_weights[NOTHING] = BACKGROUND_WEIGHT
    total = torch.zeros(())
    for name, weight in WEIGHTS.items():
        classes = digit_weights if name == "digit" else None
        total = total + weight * cross_entropy(
            logits[name].flatten(0, 1), labels[name].flatten(), classes, ignore_index=IGNORED
        )
    return total


@torch.no_grad()
def _report(tower: CLIPVisionModel, heads: nn.ModuleDict, seed: int) -> str:
    """Measure the heads on patches that hold a held-out digit."""
    scenes, pixels = sample_pixels(seeded(f"report {seed}"), "test", 256)
    features, labels = patch_features(tower, pixels), stack_labels(scenes)
    filled = labels["digit"] != NOTHING
    shares = {
        name: (head(features).argmax(-1) == labels[name])[filled].float().mean().item()
        for name, head in heads.items()
    }
    return " ".join(f"{name} {share:.3f}" for name, share in shares.items())


def train_vision(seed: int, steps: int) -> CLIPVisionModel:
    """Train the three used layers of the vision tower from scratch.

    Args:
        seed: Seeds weights, scenes and noise.
        steps: Steps of 64 images; 1,500 take about five minutes on one core.

    Returns:
        A vision tower of three layers whose last hidden state is what LLaVA reads.
    """
    torch.manual_seed(seed)
    rng = seeded(f"vision {seed}")
    tower = CLIPVisionModel(vision_config(layers=3))
    heads = nn.ModuleDict(
        {
            name: nn.Sequential(nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, n))
            for name, n in HEADS.items()
        }
    )
    model = nn.ModuleDict({"tower": tower, "heads": heads})
    optimiser = build_optimiser(model, 1.5e-3)
    schedule = Schedule(peak=1.5e-3, warmup=min(100, steps // 4), steps=steps)
    start = time.process_time()
    for number in range(steps):
        scenes, pixels = sample_pixels(rng, "train", BATCH)
        features = patch_features(tower, pixels)
        loss = _loss({name: head(features) for name, head in heads.items()}, stack_labels(scenes))
        step(model, optimiser, schedule, number, loss)
        if (number + 1) % 250 == 0 or number + 1 == steps:
            spent = time.process_time() - start
            print(f"vision {number + 1} {spent:.0f}s {_report(tower, heads, seed)}", flush=True)
    return tower.eval()
