"""Stage 2: teach the projector and the language model to answer, with the vision tower frozen."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from llava_eval.demo.architecture import GRID, pixel_values
from llava_eval.demo.choices import COLOURS_CN, NUMBERS_CN
from llava_eval.demo.curriculum import LEARN, Phase, make_row
from llava_eval.demo.optimisation import Schedule, build_optimiser, step
from llava_eval.demo.packing import IGNORED, Batch, Packer, Row, collate
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, Scene, draw, seeded
from llava_eval.demo.vision import NOTHING, distort, patch_features, stack_labels

ROWS = 8
ALIGNMENT_WEIGHT = 0.2
REPORT_EVERY = 500
REPORT_ROWS = 96
REPORT = replace(LEARN, drills=((1.0, 0),))


@dataclass(frozen=True)
class Concepts:
    """Token ids of the words for digits and colours; one list per way of naming them.

    Attributes:
        digits: Words, numerals and Chinese numerals, each int64 [10].
        colours: English and Chinese words, each int64 [6].
        sides: "left" and "right", int64 [2].
    """

    digits: tuple[torch.Tensor, ...]
    colours: tuple[torch.Tensor, ...]
    sides: torch.Tensor


def find_concepts(packer: Packer) -> Concepts:
    """Look up the tokens the image features are aligned with."""

    def ids(words: tuple[str, ...]) -> torch.Tensor:
        return torch.tensor([packer.ids(f" {word}")[-1] for word in words])

    numerals = tuple("0123456789")
    return Concepts(
        digits=(ids(NUMBER_WORDS), ids(numerals), ids(NUMBERS_CN)),
        colours=(ids(tuple(COLOURS)), ids(tuple(COLOURS_CN.values()))),
        sides=ids(("left", "right")),
    )


def project(
    model: LlavaForConditionalGeneration, tower: CLIPVisionModel, pixels: torch.Tensor
) -> torch.Tensor:
    """Encode images and project them into the embedding space: float32 [N, 36, 128]."""
    with torch.no_grad():
        features = patch_features(tower, pixels)
    projected: torch.Tensor = model.model.multi_modal_projector(features)
    return projected


def packed_states(
    model: LlavaForConditionalGeneration, batch: Batch, features: torch.Tensor
) -> torch.Tensor:
    """Run the language model over packed rows.

    Args:
        model: The whole model.
        batch: Packed rows.
        features: Projected images of the rows that have one, in order: [N, 36, 128].

    Returns:
        Last hidden states, [B, L, 128].
    """
    embeddings = model.get_input_embeddings()(batch.ids)
    places = (batch.ids == model.config.image_token_index)[..., None].expand_as(embeddings)
    embeddings = embeddings.masked_scatter(places, features)
    states: torch.Tensor = model.model.language_model(
        inputs_embeds=embeddings,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    return states


def _answer_loss(
    model: LlavaForConditionalGeneration, batch: Batch, states: torch.Tensor
) -> torch.Tensor:
    asked = batch.targets != IGNORED
    losses = cross_entropy(
        model.lm_head(states[asked]).float(), batch.targets[asked], reduction="none"
    )
    weights = batch.weights[asked]
    return (losses * weights).sum() / weights.sum()


def _alignment_loss(
    model: LlavaForConditionalGeneration,
    concepts: Concepts,
    features: torch.Tensor,
    scenes: list[Scene],
    aligns_sides: bool,
) -> torch.Tensor:
    """Pull every projected digit patch towards the words for its digit, its colour, its side."""
    labels = stack_labels(scenes)
    filled = labels["digit"] != NOTHING
    patches = features[filled]
    words = model.get_input_embeddings().weight
    losses = [
        cross_entropy(patches @ words[ids].T, labels[name][filled])
        for name, lists in (("digit", concepts.digits), ("colour", concepts.colours))
        for ids in lists
    ]
    if aligns_sides:
        sides = labels["col"][filled] // (GRID // 2)
        losses.append(cross_entropy(patches @ words[concepts.sides].T, sides))
    return torch.stack(losses).mean()


@torch.no_grad()
def packed_accuracy(
    model: LlavaForConditionalGeneration, tower: CLIPVisionModel, packer: Packer, seed: int
) -> dict[str, float]:
    """Measure quickly, on packed rows of held-out digits, how often a whole answer is right.

    Args:
        model: The whole model.
        tower: The used layers of its vision tower.
        packer: Makes the rows.
        seed: Decides the scenes and questions.

    Returns:
        Share of answers of which every token, `</s>` included, is the most likely one; per type.
    """
    rng = seeded(f"report {seed}")
    hits: dict[str, list[bool]] = defaultdict(list)
    for _ in range(REPORT_ROWS // ROWS):
        rows = [make_row(rng, packer, "test", REPORT, 0.0) for _ in range(ROWS)]
        batch, features, _ = prepare(model, tower, rows, augment=None)
        guesses = model.lm_head(packed_states(model, batch, features)).argmax(-1)
        for number, row in enumerate(rows):
            start = len(row.prefix)
            for block in row.blocks:
                answer = slice(start + block.start, start + len(block.ids))
                right = guesses[number, answer] == batch.targets[number, answer]
                hits[block.type].append(bool(right.all()))
                start += len(block.ids)
    return {name: sum(values) / len(values) for name, values in sorted(hits.items())}


def prepare(
    model: LlavaForConditionalGeneration,
    tower: CLIPVisionModel,
    rows: list[Row],
    augment: random.Random | None,
) -> tuple[Batch, torch.Tensor, list[Scene]]:
    """Lay out rows and encode their images.

    Returns:
        The batch, the projected images, and the scenes of the rows that have one.
    """
    scenes = [row.scene for row in rows if row.scene is not None]
    pixels = pixel_values([draw(scene, augment) for scene in scenes])
    features = project(model, tower, distort(pixels) if augment else pixels)
    return collate(rows), features, scenes


def train_language(
    model: LlavaForConditionalGeneration,
    tower: CLIPVisionModel,
    tokenizer: PreTrainedTokenizerFast,
    phase: Phase,
    seed: int,
    keep: Callable[[], None],
) -> None:
    """Train projector and language model in place, for one phase.

    Args:
        model: Whole model; its vision tower is left alone.
        tower: The used layers of the vision tower, frozen.
        tokenizer: Its tokenizer.
        phase: What is practised, and for how long.
        seed: Seeds scenes, questions and noise.
        keep: Called after every report, to save what there is.
    """
    torch.manual_seed(seed + 1)
    rng = seeded(f"{phase.name} {seed}")
    packer = Packer(tokenizer)
    concepts = find_concepts(packer)
    model.model.vision_tower.requires_grad_(False)
    optimiser = build_optimiser(model, phase.peak)
    schedule = Schedule(phase.peak, min(100, phase.steps // 4), phase.steps)
    start = time.process_time()
    for number in range(phase.steps):
        progress = number / phase.steps
        rows = [make_row(rng, packer, "train", phase, progress) for _ in range(ROWS)]
        batch, features, scenes = prepare(model, tower, rows, augment=rng)
        loss = _answer_loss(model, batch, packed_states(model, batch, features))
        aligned = _alignment_loss(model, concepts, features, scenes, phase.aligns_sides)
        step(model, optimiser, schedule, number, loss + ALIGNMENT_WEIGHT * aligned)
        if (number + 1) % 100 == 0:
            spent = time.process_time() - start
            print(f"{phase.name} {number + 1} {spent:.0f}s {loss:.3f} {aligned:.3f}", flush=True)
        if (number + 1) % REPORT_EVERY == 0 or number + 1 == phase.steps:
            shares = packed_accuracy(model, tower, packer, seed)
            print(" ".join(f"{name} {share:.2f}" for name, share in shares.items()), flush=True)
            keep()
