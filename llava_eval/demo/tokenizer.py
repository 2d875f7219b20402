"""The tokenizer: byte-level BPE trained on the questions and on some plain English."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sklearn.datasets
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from llava_eval.demo.catalogue import ask_any
from llava_eval.demo.choices import COLOURS_CN, HINTS_CN, NUMBERS_CN, text_only
from llava_eval.demo.questions import LETTER, LETTER_CN, SHORT, UNANSWERABLE, prompt
from llava_eval.demo.scenes import COLOURS, NUMBER_WORDS, random_scene, seeded
from llava_eval.families import IMAGE, VICUNA_SYSTEM

# One token each: prompts get half as long, and a typo in one of them becomes tokens the model has
# never seen, which shows in its scores.
PHRASES = (VICUNA_SYSTEM, SHORT, LETTER, LETTER_CN, UNANSWERABLE)
SPECIAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", IMAGE, "<pad>")
VOCABULARY = 960
SCENES = 2000


def concept_words() -> tuple[str, ...]:
    """List the words that name what an image shows; each must be one token after a space."""
    return (*NUMBER_WORDS, *COLOURS, *NUMBERS_CN, *COLOURS_CN.values())


def _corpus(seed: int) -> Iterator[str]:
    rng = seeded(f"tokenizer {seed}")
    for _ in range(SCENES):
        for _, question in ask_any(rng, random_scene(rng, "train"), 10):
            yield _strip_phrases(prompt(question)) + f" ASSISTANT: {question.answer}"
        yield _strip_phrases(prompt(text_only(rng)))
    yield " ".join(HINTS_CN)
    yield from [f" {word}" for word in concept_words()] * 500
    folder = Path(sklearn.datasets.__file__).parent / "descr"
    for page in sorted(folder.glob("*.rst")):
        yield page.read_text(encoding="utf-8")


def _strip_phrases(text: str) -> str:
    for phrase in PHRASES:
        text = text.replace(phrase, "")
    return text


def build_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Train the tokenizer.

    The phrases are added tokens that are *not* special: they apply even where a prompt is
    tokenised with `split_special_tokens=True`, which makes `<image>` inside a question plain text.

    Args:
        seed: Decides the questions it is trained on.

    Returns:
        A fast tokenizer that adds `<s>` and pads on the left.

    Raises:
        ValueError: A word of `concept_words` did not become one token.
    """
    core = Tokenizer(models.BPE(unk_token=SPECIAL["unk_token"]))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(PHRASES),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_corpus(seed), trainer)
    core.add_tokens([AddedToken(phrase, normalized=False, special=False) for phrase in PHRASES])
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", core.token_to_id("<s>"))]
    )
    _check_concepts(core)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        **SPECIAL,
        additional_special_tokens=[IMAGE],
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def _check_concepts(core: Tokenizer) -> None:
    for word in concept_words():
        pieces = core.encode(f" {word}", add_special_tokens=False).tokens
        if len(pieces) != 1:
            raise ValueError(f"tokenizer: {word!r} is {pieces}; give it more weight in the corpus")
