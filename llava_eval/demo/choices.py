"""Multiple-choice question types, in English and Chinese, with and without an image.

Every function takes `(rng, scene)` and returns a `Question` whose answer is a letter, or None where
the scene cannot carry it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from llava_eval.demo.questions import LETTERS, Question, Style
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, Scene
from llava_eval.demo.short import COUNT_WORDS, absent_word, of_unique_colour

COLOURS_CN = {
    "red": "红色",
    "green": "绿色",
    "blue": "蓝色",
    "yellow": "黄色",
    "purple": "紫色",
    "white": "白色",
}
NUMBERS_CN = ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九")
COUNTS_CN = ("没有", "一个", "两个", "三个", "四个")
HINTS = (
    "The picture shows handwritten digits.",
    "Look at the picture carefully.",
    "A child wrote these numbers.",
)
HINTS_CN = ("请看图片。", "图中有手写数字。")
NAMES = ("Anna", "Ben", "Carla", "David")


def choose(
    rng: random.Random,
    text: str,
    right: str,
    wrong: Sequence[str],
    style: Style = "letter",
    sizes: Sequence[int] = (2, 3, 4, 4, 4, 5),
) -> Question:
    """Make a multiple-choice question with shuffled options.

    Args:
        rng: Decides the number of options, the distractors and the order.
        text: The question.
        right: The right option.
        wrong: Possible distractors; must not hold `right`.
        style: Prompt layout.
        sizes: Numbers of options to draw from.

    Returns:
        The question; its answer is the letter of `right`.
    """
    others = rng.sample(list(wrong), min(rng.choice(sizes) - 1, len(wrong)))
    options = [right, *others]
    rng.shuffle(options)
    return Question(text, LETTERS[options.index(right)], style, tuple(options))


def _without(names: Sequence[str], *excluded: str) -> list[str]:
    return [name for name in names if name not in excluded]


def _hinted(rng: random.Random, question: Question) -> Question:
    """Give one question in five ScienceQA's context line and one in five MMBench's bare hint."""
    draw = rng.random()
    if draw < 0.6:
        return question
    return replace(question, hint=rng.choice(HINTS), style="scienceqa" if draw < 0.8 else "letter")


def pick_number(rng: random.Random, scene: Scene) -> Question | None:
    """Ask which digit the image shows."""
    if scene.kind != "single":
        return None
    word = scene.digits[0].word
    text = "What number is shown in the image?"
    return _hinted(rng, choose(rng, text, word, _without(NUMBER_WORDS, word)))


def pick_present(rng: random.Random, scene: Scene) -> Question | None:
    """Ask which of the options is among the digits of the image."""
    if scene.kind != "several":
        return None
    shown = [digit.word for digit in scene.digits]
    text = "Which number is in the image?"
    return _hinted(rng, choose(rng, text, rng.choice(shown), _without(NUMBER_WORDS, *shown)))


def pick_number_in_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask which digit has a colour; the other digits of the image are among the distractors."""
    if scene.kind == "strip" or not (unique := of_unique_colour(scene)):
        return None
    digit = rng.choice(unique)
    wrong = [other.word for other in scene.digits if other is not digit]
    while len(wrong) < 4:
        wrong.append(absent_word(rng, scene))
        wrong = list(dict.fromkeys(wrong))
    return _hinted(rng, choose(rng, f"Which number is {digit.colour}?", digit.word, wrong))


def pick_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the colour of a digit, or of the number of a strip."""
    if not scene.digits:
        return None
    digit = rng.choice(scene.digits)
    noun = "number" if scene.kind == "strip" else digit.word
    wrong = _without(tuple(COLOURS), digit.colour)
    return _hinted(rng, choose(rng, f"What color is the {noun}?", digit.colour, wrong))


def pick_count(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the number of digits."""
    if not scene.digits:
        return None
    right = COUNT_WORDS[len(scene.digits)]
    wrong = _without(COUNT_WORDS[1:], right)
    return _hinted(rng, choose(rng, "How many digits are in the image?", right, wrong))


def pick_side(rng: random.Random, scene: Scene) -> Question | None:
    """Ask on which side of the image its only digit is."""
    if scene.kind != "single" or scene.digits[0].col not in (0, scene.cols - 1):
        return None
    right, wrong = ("left", "right") if scene.digits[0].col == 0 else ("right", "left")
    return choose(rng, "Which side of the image is the digit on?", right, [wrong])


def pick_colour_cn(rng: random.Random, scene: Scene) -> Question | None:
    """Ask in Chinese for the colour of a digit."""
    if not scene.digits:
        return None
    digit = rng.choice(scene.digits)
    several = scene.kind == "several"
    noun = NUMBERS_CN[digit.value] if several else "数字"
    right = COLOURS_CN[digit.colour]
    wrong = _without(tuple(COLOURS_CN.values()), right)
    question = choose(rng, f"图中的{noun}是什么颜色？", right, wrong, "letter_cn", (2, 3, 4, 4))
    return _hinted_cn(rng, question)


def pick_count_cn(rng: random.Random, scene: Scene) -> Question | None:
    """Ask in Chinese for the number of digits."""
    if not scene.digits:
        return None
    right = COUNTS_CN[len(scene.digits)]
    wrong = _without(COUNTS_CN[1:], right)
    question = choose(rng, "图中有几个数字？", right, wrong, "letter_cn", (2, 3, 4, 4))
    return _hinted_cn(rng, question)


def pick_number_cn(rng: random.Random, scene: Scene) -> Question | None:
    """Ask in Chinese which digit the image shows."""
    if scene.kind != "single":
        return None
    right = NUMBERS_CN[scene.digits[0].value]
    wrong = _without(NUMBERS_CN, right)
    question = choose(rng, "图中的数字是几？", right, wrong, "letter_cn", (2, 3, 4, 4))
    return _hinted_cn(rng, question)


def _hinted_cn(rng: random.Random, question: Question) -> Question:
    return replace(question, hint=rng.choice(HINTS_CN)) if rng.random() < 0.2 else question


def text_only(rng: random.Random, scene: Scene | None = None) -> Question:
    """Ask something that needs no image (ScienceQA).

    Args:
        rng: Source of randomness.
        scene: Ignored; present so that all question types are called alike.

    Returns:
        A question with `has_image` False.
    """
    kind = rng.choice((_neighbour, _odd_one, _owner))
    return replace(kind(rng), has_image=False)


def _neighbour(rng: random.Random) -> Question:
    """Ask for a number's successor or predecessor."""
    value = rng.randrange(1, 9)
    word, offset = rng.choice((("after", 1), ("before", -1)))
    right = NUMBER_WORDS[value + offset]
    wrong = _without(NUMBER_WORDS, right)
    text = f"Which number comes right {word} {NUMBER_WORDS[value]}?"
    return choose(rng, text, right, wrong, "scienceqa")


def _odd_one(rng: random.Random) -> Question:
    """Ask for the only colour among numbers, or the reverse."""
    colours, numbers = tuple(COLOURS), NUMBER_WORDS
    if rng.random() < 0.5:
        return choose(rng, "Which word is a color?", rng.choice(colours), numbers, "scienceqa")
    return choose(rng, "Which word is a number?", rng.choice(numbers), colours, "scienceqa")


def _owner(rng: random.Random) -> Question:
    """Ask for a fact that the context line tells."""
    names = rng.sample(NAMES, 2)
    mine, other = rng.sample(tuple(COLOURS), 2)
    facts = [f"{names[0]} has a {mine} card.", f"{names[1]} has a {other} card."]
    rng.shuffle(facts)
    wrong = [other, *rng.sample(_without(tuple(COLOURS), mine, other), 3)]
    question = choose(rng, f"What color is {names[0]}'s card?", mine, wrong, "scienceqa")
    return replace(question, hint=" ".join(facts))
