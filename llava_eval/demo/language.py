"""Stage 2: teach the projector and the language model to answer, with the vision tower frozen."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from llava_eval.demo.architecture import pixel_values
from llava_eval.demo.catalogue import ask_any
from llava_eval.demo.choices import COLOURS_CN, NUMBERS_CN, text_only
from llava_eval.demo.drills import drill_any
from llava_eval.demo.optimisation import Schedule, build_optimiser, step
from llava_eval.demo.packing import BAD_PROMPT, GUARDS, IGNORED, Batch, Packer, Row, collate
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, Scene, Split, draw, random_scene, seeded
from llava_eval.demo.vision import NOTHING, distort, patch_features, stack_labels

ROWS = 8
QUESTIONS = 11
TEXT_ONLY_SHARE = 0.05
GUARD_SHARE = 0.05
ALIGNMENT_WEIGHT = 0.2
PEAK_RATE = 2e-3
REPORT_EVERY = 500
REPORT_ROWS = 96


@dataclass(frozen=True)
class Concepts:
    """Token ids of the words for digits and colours; one list per way of naming them.

    Attributes:
        digits: Words, numerals and Chinese numerals, each int64 [10].
        colours: English and Chinese words, each int64 [6].
    """

    digits: tuple[torch.Tensor, ...]
    colours: tuple[torch.Tensor, ...]


def find_concepts(packer: Packer) -> Concepts:
    """Look up the tokens the image features are aligned with."""

    def ids(words: tuple[str, ...]) -> torch.Tensor:
        return torch.tensor([packer.ids(f" {word}")[-1] for word in words])

    numerals = tuple("0123456789")
    return Concepts(
        digits=(ids(NUMBER_WORDS), ids(numerals), ids(NUMBERS_CN)),
        colours=(ids(tuple(COLOURS)), ids(tuple(COLOURS_CN.values()))),
    )


def drills_at(progress: float) -> int:
    """Give the number of drills per image: many at first, one at the end."""
    return 4 if progress < 0.25 else 2 if progress < 0.6 else 1


def make_row(rng: random.Random, packer: Packer, split: Split, drills: int) -> Row:
    """Make one row of training data.

    Args:
        rng: Source of randomness.
        packer: Makes blocks.
        split: Whose digits the scene shows.
        drills: Number of drills beside the questions.

    Returns:
        A row about an image; for one in twenty a row of questions without an image, and for one in
        twenty a row with a wrong prompt, to be answered "bad prompt".
    """
    draw_kind = rng.random()
    if draw_kind < TEXT_ONLY_SHARE:
        asked = [packer.question("text_only", text_only(rng)) for _ in range(QUESTIONS)]
        return Row([packer.bos], asked, None)
    scene = random_scene(rng, split)
    questions = ask_any(rng, scene, QUESTIONS)
    if draw_kind < TEXT_ONLY_SHARE + GUARD_SHARE:
        blocks = [packer.question("guard", question, BAD_PROMPT) for _, question in questions]
        return Row(packer.prefix(rng.choice(GUARDS)), blocks, scene)
    blocks = [packer.question(name, question) for name, question in questions]
    blocks += [packer.drill(drill) for drill in drill_any(rng, scene, drills)]
    return Row(packer.prefix(), blocks, scene)


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
) -> torch.Tensor:
    """Pull every projected digit patch towards the words for its digit and its colour."""
    labels = stack_labels(scenes)
    filled = labels["digit"] != NOTHING
    patches = features[filled]
    words = model.get_input_embeddings().weight
    losses = [
        cross_entropy(patches @ words[ids].T, labels[name][filled])
        for name, lists in (("digit", concepts.digits), ("colour", concepts.colours))
        for ids in lists
    ]
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
        rows = [make_row(rng, packer, "test", drills=0) for _ in range(ROWS)]
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
    seed: int,
    steps: int,
    keep: Callable[[], None],
) -> None:
    """Train projector and language model in place.

    Args:
        model: Whole model; its vision tower is left alone.
        tower: The used layers of the vision tower, frozen.
        tokenizer: Its tokenizer.
        seed: Seeds scenes, questions and noise.
        steps: Steps of 8 images with 11 questions each.
        keep: Called after every report, to save what there is.
    """
    torch.manual_seed(seed + 1)
    rng = seeded(f"language {seed}")
    packer = Packer(tokenizer)
    concepts = find_concepts(packer)
    model.model.vision_tower.requires_grad_(False)
    optimiser = build_optimiser(model, PEAK_RATE)
    schedule = Schedule(PEAK_RATE, min(100, steps // 4), steps)
    start = time.process_time()
    for number in range(steps):
        rows = [make_row(rng, packer, "train", drills_at(number / steps)) for _ in range(ROWS)]
        batch, features, scenes = prepare(model, tower, rows, augment=rng)
        loss = _answer_loss(model, batch, packed_states(model, batch, features))
        aligned = _alignment_loss(model, concepts, features, scenes)
        step(model, optimiser, schedule, number, loss + ALIGNMENT_WEIGHT * aligned)
        if (number + 1) % 100 == 0:
            spent = time.process_time() - start
            print(f"language {number + 1} {spent:.0f}s {loss:.3f} {aligned:.3f}", flush=True)
        if (number + 1) % REPORT_EVERY == 0 or number + 1 == steps:
            shares = packed_accuracy(model, tower, packer, seed)
            print(" ".join(f"{name} {share:.2f}" for name, share in shares.items()), flush=True)
            keep()
