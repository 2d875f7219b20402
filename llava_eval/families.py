"""Model families: the conversation template and the image policy of each.

A task never mentions a template and a family never mentions a task. A family is one row of
`FAMILIES`; a new one needs no other change.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGE = "<image>"


@dataclass(frozen=True)
class Family:
    """How one family of checkpoints is spoken to.

    Attributes:
        name: Key in `FAMILIES`; part of a run's identity.
        with_image: Template of a one-turn prompt; `IMAGE` marks where the image stands and
            `{text}` the question text.
        text_only: The same for a question without an image.
        text_model_types: `text_config.model_type` of the checkpoints it is recognised by.
        pad_to_square: Whether images are padded to a square before the processor resizes them.
        system: What the templates begin with, for a server that renders them itself.
        fill: RGB of the padding, where there is no image processor to say: its mean colour.
    """

    name: str
    with_image: str
    text_only: str
    text_model_types: tuple[str, ...]
    pad_to_square: bool
    system: str = ""
    fill: tuple[int, int, int] = (122, 116, 104)  # CLIP's


VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)

FAMILIES: dict[str, Family] = {
    "llava-1.5": Family(
        name="llava-1.5",
        with_image=VICUNA_SYSTEM + " USER: " + IMAGE + "\n{text} ASSISTANT:",
        text_only=VICUNA_SYSTEM + " USER: {text} ASSISTANT:",
        text_model_types=("llama",),
        pad_to_square=True,
        system=VICUNA_SYSTEM,
    ),
}


def prompt_chunks(family: Family, text: str, has_image: bool) -> tuple[str, ...]:
    r"""Render one prompt as the chunks of text around its image.

    The chunks come from the template, not from the rendered prompt, so a question that itself
    contains `<image>` cannot make a second image place.

    Args:
        family: The conversation template.
        text: The question text of a `Request`.
        has_image: Whether an image goes with it.

    Returns:
        Two chunks, with the image between them, or one chunk without an image.

    Source: haotian-liu/LLaVA, `llava/conversation.py` (`conv_vicuna_v1`) and
    `llava/mm_utils.py` (`tokenizer_image_token`, which splits at the image in the same way).

    >>> prompt_chunks(FAMILIES["llava-1.5"], "What is it?", has_image=True)[1]
    '\nWhat is it? ASSISTANT:'
    """
    template = family.with_image if has_image else family.text_only
    return tuple(chunk.replace("{text}", text) for chunk in template.split(IMAGE))
