"""What the language model practises, and when.

The first phase teaches everything. The second goes on with what was weak at its end: positions,
comparing a number with the one in the image, letters for one digit among several.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from llava_eval.demo.catalogue import WEIGHTS, ask_any
from llava_eval.demo.choices import text_only
from llava_eval.demo.drills import drill_any
from llava_eval.demo.packing import BAD_PROMPT, GUARDS, Packer, Row
from llava_eval.demo.scenes import Split, random_scene

QUESTIONS = 11
GUARD_SHARE = 0.05


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own learning-rate schedule.

    Attributes:
        name: Seeds its randomness, together with the seed of the run.
        steps: Steps of 8 images.
        peak: Highest learning rate.
        drills: Pairs of progress and number of drills per image until then.
        text_only_share: Share of rows without an image.
        aligns_sides: Whether digit patches are also aligned with the words left and right.
        question_weights: How often each question type is asked.
        drill_weights: How often each drill is set.
    """

    name: str
    steps: int
    peak: float
    drills: tuple[tuple[float, int], ...]
    text_only_share: float = 0.05
    aligns_sides: bool = False
    question_weights: Mapping[str, float] = field(default_factory=dict)
    drill_weights: Mapping[str, float] = field(default_factory=dict)

    def drills_at(self, progress: float) -> int:
        """Give the number of drills per image at a progress from 0 to 1."""
        return next(count for until, count in self.drills if progress < until)


LEARN = Phase(
    name="language",
    steps=4200,
    peak=2e-3,
    drills=((0.25, 4), (0.6, 2), (1.0, 1)),
    question_weights=WEIGHTS,
    drill_weights={
        "exist": 1.5,
        "pair": 1.5,
        "count": 0.5,
        "strip": 1.5,
        "compare": 2.0,
        "match": 0.0,
        "options": 0.0,
        "next": 0.0,
    },
)
PRACTISE = Phase(
    name="practice",
    steps=1500,
    peak=1.5e-3,
    drills=((0.5, 4), (1.0, 2)),
    text_only_share=0.1,
    aligns_sides=True,
    question_weights=WEIGHTS
    | {
        "yn_ocr": 3.0,
        "yn_side": 2.0,
        "yn_count": 2.0,
        "yn_colour": 3.0,
        "yn_joint": 2.0,
        "side": 2.0,
        "larger_smaller": 2.5,
        "mc_number_in_colour": 3.0,
        "mc_colour": 3.0,
        "mc_side": 2.0,
        "cn_colour": 3.0,
        "free_describe": 2.0,
        "free_colour": 1.5,
        "free_total": 1.5,
    },
    drill_weights={
        "exist": 0.5,
        "colour": 1.5,
        "pair": 2.0,
        "number": 1.5,
        "order": 1.5,
        "scene": 1.5,
        "strip": 0.5,
        "side": 2.0,
        "compare": 2.0,
        "match": 4.0,
        "options": 4.0,
    },
)
PHASES = (LEARN, PRACTISE)


def make_row(
    rng: random.Random, packer: Packer, split: Split, phase: Phase, progress: float
) -> Row:
    """Make one row of training data.

    Args:
        rng: Source of randomness.
        packer: Makes blocks.
        split: Whose digits the scene shows.
        phase: What is asked how often.
        progress: From 0 to 1; decides the number of drills.

    Returns:
        A row about an image; sometimes a row of questions without an image; and for one row in
        twenty a wrong prompt, whose questions are to be answered "bad prompt".
    """
    lot = rng.random()
    if lot < phase.text_only_share:
        asked = [packer.question("text_only", text_only(rng)) for _ in range(QUESTIONS)]
        return Row([packer.bos], asked, None)
    scene = random_scene(rng, split)
    questions = ask_any(rng, scene, QUESTIONS, phase.question_weights)
    if lot < phase.text_only_share + GUARD_SHARE:
        blocks = [packer.question("guard", question, BAD_PROMPT) for _, question in questions]
        return Row(packer.prefix(rng.choice(GUARDS)), blocks, scene)
    blocks = [packer.question(name, question) for name, question in questions]
    drills = drill_any(rng, scene, phase.drills_at(progress), phase.drill_weights)
    return Row(packer.prefix(), [*blocks, *map(packer.drill, drills)], scene)
