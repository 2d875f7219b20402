"""LLaVA models with random weights, built in memory: the cost is real, the answers are noise."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForImageTextToText,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from llava_eval.checkpoint import Checkpoint
from llava_eval.engines import EngineSettings
from llava_eval.engines.hf import HfEngine
from llava_eval.engines.loading import DTYPES, Loaded
from llava_eval.families import FAMILIES

IMAGE_SIZE, PATCH = 336, 14  # CLIP ViT-L/14 at 336 pixels: 24 x 24 = 576 image tokens
NAMES = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


@dataclass(frozen=True)
class Shape:
    """The size of a LLaVA: width, width inside the MLP, layers and heads of both parts.

    Attributes:
        vision: Of the ViT.
        language: Of the LLaMA.
        vocabulary: Number of tokens; 0: as many as the tokenizer has.
        spread: Standard deviation of the weights; large enough, the noise differs from prompt
            to prompt, so that equal answers mean something.
    """

    vision: tuple[int, int, int, int]
    language: tuple[int, int, int, int]
    vocabulary: int = 0
    spread: float = 0.1


# Vision costs about 6 % of what a prefix costs, against 4.5 % in LLaVA-1.5-7B.
SMALL = Shape(vision=(192, 768, 4, 3), language=(768, 2048, 4, 12))
TINY = Shape(vision=(32, 64, 3, 2), language=(64, 128, 2, 4))
# llava-hf/llava-1.5-7b-hf, config.json
LLAVA_7B = Shape((1024, 4096, 24, 16), (4096, 11008, 32, 32), vocabulary=32_064, spread=0.02)


def llava_config(shape: Shape, image_token: int, pad_token: int, vocabulary: int) -> LlavaConfig:
    """Return the configuration of a LLaVA of this shape, all else as in LLaVA-1.5."""
    vision, language = shape.vision, shape.language
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=vision[0],
            intermediate_size=vision[1],
            num_hidden_layers=vision[2],
            num_attention_heads=vision[3],
            image_size=IMAGE_SIZE,
            patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            hidden_size=language[0],
            intermediate_size=language[1],
            num_hidden_layers=language[2],
            num_attention_heads=language[3],
            vocab_size=shape.vocabulary or vocabulary,
            max_position_embeddings=4096,
            initializer_range=shape.spread,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=pad_token,
        ),
        image_token_id=image_token,
        image_seq_length=(IMAGE_SIZE // PATCH) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )


def build_engine(
    shape: Shape, texts: Iterable[str], settings: EngineSettings, seed: int = 0
) -> HfEngine:
    """Build a model with random weights on its device, and the engine around it.

    Args:
        shape: Of the model.
        texts: What the tokenizer is trained on: the prompts that it will meet.
        settings: Of the engine; device, dtype and attention must not be "auto".
        seed: The same seed gives the same weights on the same kind of device.
    """
    tokenizer = llama_like_tokenizer(texts)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = llava_config(shape, image, tokenizer.pad_token_id, len(tokenizer))
    torch.manual_seed(seed)
    with torch.device(settings.device):
        model = AutoModelForImageTextToText.from_config(
            config, dtype=DTYPES[settings.dtype], attn_implementation=settings.attention
        ).eval()
    # No answer holds bytes or specials, which have no text of their own: equal texts of an equal
    # number of tokens are then equal tokens.
    textless = tokenizer.convert_tokens_to_ids([*SPECIAL, *BYTES, "<image>", "<pad>"])
    with torch.no_grad():
        model.lm_head.weight[textless] = 0
    model.generation_config = GenerationConfig(
        do_sample=False, num_beams=1, eos_token_id=[2], pad_token_id=tokenizer.pad_token_id
    )
    checkpoint = Checkpoint("random weights", Path(), "", "", {})
    family, processor = FAMILIES["llava-1.5"], make_processor(tokenizer)
    loaded = Loaded(checkpoint, family, processor, model, [2], tokenizer.pad_token_id)
    return HfEngine(loaded, settings)


def make_processor(
    tokenizer: PreTrainedTokenizerFast, image_size: int = IMAGE_SIZE
) -> LlavaProcessor:
    """Return LLaVA-1.5's processor around a tokenizer."""
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": image_size},
            crop_size={"height": image_size, "width": image_size},
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def llama_like_tokenizer(texts: Iterable[str], size: int = 1500) -> PreTrainedTokenizerFast:
    """Train a tokenizer built like LLaMA's: word-start marker, byte fallback, BOS in front.

    The real one's ids of the specials are kept: unk 0, bos 1, eos 2, newline 3 + 10.
    """
    words = Tokenizer(models.BPE(unk_token=NAMES["unk_token"]))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(prepend_scheme="first")]
    )
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    words.train_from_iterator((text.replace("\n", " ") for text in texts), trainer)
    learnt = json.loads(words.to_str())["model"]
    pieces = dict.fromkeys([*SPECIAL, *BYTES, *learnt["vocab"]])
    merges = [(left, right) for left, right in learnt["merges"]]
    return tokenizer_of(list(pieces), merges)


def tokenizer_of(pieces: list[str], merges: list[tuple[str, str]]) -> PreTrainedTokenizerFast:
    """Return a tokenizer of these pieces, built like LLaMA's, with `<image>` and `<pad>`.

    Args:
        pieces: By id; they begin with `SPECIAL` and `BYTES`.
        merges: Of BPE.
    """
    tokenizer = Tokenizer(
        models.BPE(
            {piece: number for number, piece in enumerate(pieces)},
            merges,
            unk_token=NAMES["unk_token"],
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL])
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ("<image>", "<pad>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **NAMES,
        padding_side="left",
    )
