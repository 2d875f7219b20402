"""A random-weight LLaVA checkpoint, small enough to be made for each test session."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from llava_eval.bench.models import BYTES, PATCH, SPECIAL, make_processor, tokenizer_of

IMAGE_SIZE = 56
PIECES = [*SPECIAL, *BYTES, "▁", *string.ascii_letters, *string.digits, *".,:?'"]


def make_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Save model and processor; the answers are noise, but the same noise every time."""
    tokenizer = tokenizer_of(PIECES, [])
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=IMAGE_SIZE,
            patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            vocab_size=len(tokenizer),
            max_position_embeddings=2048,
            initializer_range=0.3,  # large, so that the noise differs from prompt to prompt
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_token_id=image,
        image_seq_length=(IMAGE_SIZE // PATCH) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = 2
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    make_processor(tokenizer, IMAGE_SIZE).save_pretrained(folder)
    return folder
