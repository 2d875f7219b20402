"""Task and sample to request: the question text, without image place and template."""

from __future__ import annotations

import string
from collections.abc import Callable
from sys import intern
from typing import TYPE_CHECKING

from llava_eval.records import Request, Sample

if TYPE_CHECKING:
    from llava_eval.task import Prompt, Task

PROMPT_FIELDS = frozenset({"question", "hint", "options"})


def as_is(question: str) -> str:
    """Return the question unchanged."""
    return question


def capitalize(question: str) -> str:
    """Make the first letter a capital and all others small, names and acronyms too.

    Source: the question files of haotian-liu/LLaVA's `eval.zip` for TextVQA and VizWiz.

    >>> capitalize("what does NASA say?")
    'What does nasa say?'
    """
    return question.capitalize()


def without_yes_no(question: str) -> str:
    """Take MME's own instruction off, with the one or two blanks before it.

    LLaVA's file holds no blank before its own instruction, where lmms-eval leaves one for the
    two-blank variant; a full-width question mark, or none, stays as it is.

    Source: haotian-liu/LLaVA, `llava_mme.jsonl` of `eval.zip` and `convert_answer_to_mme.py`.

    >>> without_yes_no("Is it red?  Please answer yes or no.")
    'Is it red?'
    """
    return question.rstrip().removesuffix("Please answer yes or no.").rstrip()


QUESTION_RULES: dict[str, Callable[[str], str]] = {
    "without_yes_no": without_yes_no,
    "as_is": as_is,
    "capitalize": capitalize,
}


def build_request(task: Task, sample: Sample) -> Request:
    """Return what a model is asked for one sample."""
    text = intern(question_text(task.prompt, sample))  # often asked of many images
    return Request(sample.id, text, sample.images, task.max_new_tokens)


def question_text(prompt: Prompt, sample: Sample) -> str:
    """Fill the lines of a card's prompt.

    Args:
        prompt: From the card.
        sample: Its question, hint and choices are used.

    Returns:
        The text that LLaVA's own question files hold under "text".

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and the question files of `eval.zip`.
    """
    fields = {
        "question": QUESTION_RULES[prompt.question](sample.question),
        "hint": sample.hint,
        "options": "\n".join(
            f"{letter}. {choice}"
            for letter, choice in zip(string.ascii_uppercase, sample.choices, strict=False)
        ),
    }
    return "\n".join(
        _fill(line[1:-1] if _optional(line) else line, fields)
        for line in prompt.lines
        if not (_optional(line) and _is_empty(line, fields))
    )


def _optional(line: str) -> bool:
    return line.startswith("[") and line.endswith("]")


def _is_empty(line: str, fields: dict[str, str]) -> bool:
    return not any(fields[name] for name in fields if f"{{{name}}}" in line)


def _fill(line: str, fields: dict[str, str]) -> str:
    """Put the fields in one pass: braces inside a question are no fields."""
    parts = string.Formatter().parse(line)
    return "".join(text + (fields[name] if name else "") for text, name, _, _ in parts)
