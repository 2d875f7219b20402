"""Question types answered in a word: yes or no, a colour, a number, a side.

Every function takes `(rng, scene)` and returns a `Question`, or None where the scene cannot carry
it. Yes and No are equally likely by construction, scene by scene.
"""

from __future__ import annotations

import random

from llava_eval.demo.questions import Question
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, Digit, Scene

COUNT_WORDS = ("no", "one", "two", "three", "four")
OTHER_PHOTO_QUESTIONS = (
    "What time is it?",
    "What does this label say?",
    "How much does this cost?",
    "What is the name of this product?",
)


def article(noun: str) -> str:
    """Put "a" or "an" in front of a noun phrase.

    >>> article("eight")
    'an eight'
    """
    vowel = noun[0] in "aeiou" and not noun.startswith("one")
    return f"an {noun}" if vowel else f"a {noun}"


def other_colour(rng: random.Random, colour: str) -> str:
    """Pick any colour but this one."""
    return rng.choice([name for name in COLOURS if name != colour])


def absent_word(rng: random.Random, scene: Scene) -> str:
    """Pick the word of a digit the scene does not show."""
    shown = {digit.value for digit in scene.digits}
    return NUMBER_WORDS[rng.choice([value for value in range(10) if value not in shown])]


def of_unique_colour(scene: Scene) -> list[Digit]:
    """List the digits whose colour no other digit of the scene has."""
    colours = [digit.colour for digit in scene.digits]
    return [digit for digit in scene.digits if colours.count(digit.colour) == 1]


def _yes_no(text: str, yes: bool) -> Question:
    return Question(text, "Yes" if yes else "No", "short")


def exists(rng: random.Random, scene: Scene) -> Question:
    """Ask whether a digit is in the image (POPE)."""
    yes = bool(scene.digits) and rng.random() < 0.5
    word = rng.choice(scene.digits).word if yes else absent_word(rng, scene)
    return _yes_no(f"Is there {article(word)} in the image?", yes)


def exists_in_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for a digit in a colour; half of the wrong ones name a digit that is there."""
    if not scene.digits:
        return None
    digit, yes = rng.choice(scene.digits), rng.random() < 0.5
    if yes:
        return _yes_no(f"Is there {article(f'{digit.colour} {digit.word}')} in the image?", True)
    if rng.random() < 0.6:
        colours = {other.colour for other in scene.digits if other.value == digit.value}
        colour = rng.choice([name for name in COLOURS if name not in colours])
        noun = f"{colour} {digit.word}"
    else:
        noun = f"{digit.colour} {absent_word(rng, scene)}"
    return _yes_no(f"Is there {article(noun)} in the image?", False)


def is_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask whether a digit has a colour."""
    if not scene.digits:
        return None
    digit, yes = rng.choice(scene.digits), rng.random() < 0.5
    colour = digit.colour if yes else other_colour(rng, digit.colour)
    noun = "number" if scene.kind == "strip" else digit.word
    return _yes_no(f"Is the {noun} {colour}?", yes)


def is_count(rng: random.Random, scene: Scene) -> Question | None:
    """Ask whether there are so many digits."""
    count, yes = len(scene.digits), rng.random() < 0.5
    if count == 0:
        return None
    named = count if yes else rng.choice([n for n in (1, 2, 3, 4) if n != count])
    if named == 1:
        return _yes_no("Is there only one digit in the image?", yes)
    return _yes_no(f"Are there {COUNT_WORDS[named]} digits in the image?", yes)


def is_number(rng: random.Random, scene: Scene) -> Question | None:
    """Ask whether a strip reads as a number; wrong ones differ in one digit."""
    if scene.kind != "strip":
        return None
    yes = rng.random() < 0.5
    number = scene.number if yes else misread(rng, scene.number)
    return _yes_no(f"Is the number in the image {number}?", yes)


def misread(rng: random.Random, number: str) -> str:
    """Change one digit of a number."""
    place = rng.randrange(len(number))
    digit = rng.choice([numeral for numeral in "0123456789" if numeral != number[place]])
    return number[:place] + digit + number[place + 1 :]


def is_on_side(rng: random.Random, scene: Scene) -> Question | None:
    """Ask whether a digit is on the left or on the right side of the image."""
    if not (placed := on_a_side(scene)):
        return None
    digit, side = rng.choice(placed)
    yes = rng.random() < 0.5
    named = side if yes else {"left": "right", "right": "left"}[side]
    return _yes_no(f"Is the {digit.word} on the {named} side of the image?", yes)


def on_a_side(scene: Scene) -> list[tuple[Digit, str]]:
    """List the digits that are clearly on the left or right, with that side.

    Strips are left out: their digits may repeat.
    """
    if scene.kind == "strip":
        return []
    sides = {0: "left", scene.cols - 1: "right"}
    return [(digit, sides[digit.col]) for digit in scene.digits if digit.col in sides]


def side(rng: random.Random, scene: Scene) -> Question | None:
    """Ask on which side of the image a digit is."""
    if not (placed := on_a_side(scene)):
        return None
    digit, answer = rng.choice(placed)
    return Question(f"Which side of the image is the {digit.word} on?", answer, "short")


def colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the colour of a digit, or of the whole number of a strip."""
    if not scene.digits:
        return None
    digit = rng.choice(scene.digits)
    noun = "number" if scene.kind == "strip" else digit.word
    return Question(f"What color is the {noun}?", digit.colour, "short")


def either_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Offer two colours for a digit (GQA's "choose" questions)."""
    if not scene.digits:
        return None
    digit = rng.choice(scene.digits)
    pair = [digit.colour, other_colour(rng, digit.colour)]
    rng.shuffle(pair)
    noun = "number" if scene.kind == "strip" else digit.word
    return Question(f"Is the {noun} {pair[0]} or {pair[1]}?", digit.colour, "short")


def recognise(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the only digit of the image; answered in numerals."""
    if scene.kind != "single":
        return None
    return Question("What number is shown?", scene.number, "short")


def number_in_colour(rng: random.Random, scene: Scene) -> Question | None:
    """Ask which digit has a colour; answered in words."""
    if scene.kind == "strip" or not (unique := of_unique_colour(scene)):
        return None
    digit = rng.choice(unique)
    return Question(f"Which number is {digit.colour}?", digit.word, "short")


def larger_or_smaller(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the larger or the smaller of exactly two digits; answered in numerals."""
    if scene.kind != "several" or len(scene.digits) != 2:
        return None
    word, pick = rng.choice((("larger", max), ("smaller", min)))
    value = pick(digit.value for digit in scene.digits)
    return Question(f"What is the {word} number?", str(value), "short")


def count(rng: random.Random, scene: Scene) -> Question:
    """Ask for the number of digits, 0 to 4; answered in numerals."""
    return Question("How many digits are in the image?", str(len(scene.digits)), "short")


def read(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the number of a strip, without reference tokens."""
    if scene.kind != "strip":
        return None
    return Question("What is the number in the image?", scene.number, "short")


def read_with_tokens(rng: random.Random, scene: Scene) -> Question | None:
    """Ask for the number of a strip beside OCR tokens, right, wrong or missing (TextVQA)."""
    if scene.kind != "strip":
        return None
    text = rng.choice(("What number is written here?", "What does the sign say?"))
    return Question(text, scene.number, "textvqa", ocr_tokens=reference_tokens(rng, scene.number))


def reference_tokens(rng: random.Random, number: str) -> tuple[str, ...]:
    """Invent OCR tokens: half the time the right number is among them."""
    draw = rng.random()
    if draw < 0.15:
        return ()
    tokens = [number if draw < 0.55 else misread(rng, number)]
    if rng.random() < 0.4:
        tokens.insert(rng.randint(0, 1), str(rng.randrange(100)))
    return tuple(tokens)


def colour_if_shown(rng: random.Random, scene: Scene) -> Question:
    """Ask for the colour of a digit that is missing half the time (VizWiz)."""
    if scene.digits and scene.kind != "strip" and rng.random() < 0.5:
        digit = rng.choice(scene.digits)
        return Question(f"What color is the {digit.word}?", digit.colour, "vizwiz")
    word = absent_word(rng, scene)
    return Question(f"What color is the {word}?", "Unanswerable", "vizwiz")


def number_if_shown(rng: random.Random, scene: Scene) -> Question:
    """Ask a blind person's question: what number is this? Empty images have no answer (VizWiz)."""
    answer = {"single": scene.number, "strip": scene.number}.get(scene.kind, "Unanswerable")
    return Question("What number is this?", answer, "vizwiz")


def something_else(rng: random.Random, scene: Scene) -> Question:
    """Ask for what no scene shows (VizWiz)."""
    return Question(rng.choice(OTHER_PHOTO_QUESTIONS), "Unanswerable", "vizwiz")
