"""Questions about scenes: what is asked, the gold answer, and the prompt the model is trained on.

A `Question` keeps its parts apart (text, options, hint, reference tokens), so that a mini split can
store them in the columns of the real benchmark and leave the instruction to the task. `prompt` puts
them together in the official LLaVA wording, for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Style = Literal["short", "vizwiz", "textvqa", "letter", "scienceqa", "letter_cn", "free"]

SHORT = "Answer the question using a single word or phrase."
LETTER = "Answer with the option's letter from the given choices directly."
LETTER_CN = "请直接回答选项字母。"
UNANSWERABLE = "When the provided information is insufficient, respond with 'Unanswerable'."
LETTERS = "ABCDE"


@dataclass(frozen=True)
class Question:
    """One question and its gold answer, without the instruction that a benchmark appends.

    Attributes:
        text: The question alone.
        answer: What a perfect model says: a word, a letter or a sentence.
        style: Which prompt layout it is asked in, see `prompt`.
        options: Choices in order; their letters are A, B, C, ...
        hint: Line before the question; the style decides how it is introduced.
        ocr_tokens: Reference tokens, for style "textvqa".
        has_image: False for questions that are asked without an image.
    """

    text: str
    answer: str
    style: Style
    options: tuple[str, ...] = ()
    hint: str = ""
    ocr_tokens: tuple[str, ...] = ()
    has_image: bool = True


def _short(question: Question) -> str:
    return f"{question.text}\n{SHORT}"


def _vizwiz(question: Question) -> str:
    return f"{question.text.capitalize()}\n{UNANSWERABLE}\n{SHORT}"


def _textvqa(question: Question) -> str:
    tokens = ", ".join(question.ocr_tokens)
    return f"{question.text.capitalize()}\nReference OCR token: {tokens}\n{SHORT}"


def _choices(question: Question, hint: str, instruction: str) -> str:
    options = [f"{letter}. {text}" for letter, text in zip(LETTERS, question.options, strict=False)]
    lines = [hint] if question.hint else []
    return "\n".join([*lines, question.text, *options, instruction])


def prompt(question: Question) -> str:
    """Write the user turn in the wording LLaVA-1.5 was evaluated with.

    Args:
        question: Any question of this package.

    Returns:
        The text that follows the image: POPE, VQAv2, GQA and MME ("short"), VizWiz, TextVQA,
        SEED and MMBench ("letter"), ScienceQA, MMBench-CN ("letter_cn"), or the bare question of
        LLaVA-Bench and MM-Vet ("free").

    Source: haotian-liu/LLaVA, docs/Evaluation.md and `llava/eval/model_vqa_mmbench.py`.

    >>> prompt(Question("is it red?", "Yes", "short")).splitlines()[0]
    'is it red?'
    """
    match question.style:
        case "short":
            return _short(question)
        case "vizwiz":
            return _vizwiz(question)
        case "textvqa":
            return _textvqa(question)
        case "letter":
            return _choices(question, question.hint, LETTER)
        case "scienceqa":
            return _choices(question, f"Context: {question.hint}", LETTER)
        case "letter_cn":
            return _choices(question, question.hint, LETTER_CN)
        case "free":
            return question.text
