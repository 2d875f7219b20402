"""The shape of the demo model: a LLaVA small enough to train on one CPU core."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from llava_eval.images import pad_to_square

IMAGE_SIZE = 84
PATCH = 14
GRID = IMAGE_SIZE // PATCH
IMAGE_TOKENS = GRID * GRID
HIDDEN = 128
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
MEAN_COLOUR = (122, 116, 104)


def vision_config(layers: int = 4) -> CLIPVisionConfig:
    """Configure the vision tower; `vision_feature_layer` -2 means that its last layer is unused.

    Args:
        layers: Number of transformer layers; 3 give the part that is trained.

    Returns:
        A CLIP vision configuration for 84-pixel images in 6 x 6 patches.
    """
    return CLIPVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=512,
        num_hidden_layers=layers,
        num_attention_heads=4,
        image_size=IMAGE_SIZE,
        patch_size=PATCH,
        projection_dim=HIDDEN,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Create the untrained model.

    Args:
        tokenizer: Gives the vocabulary and the ids of `<s>`, `</s>`, `<pad>` and `<image>`.

    Returns:
        A LLaVA of 2.1 M parameters with random weights, in float32.
    """
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=320,
        num_hidden_layers=5,
        num_attention_heads=4,
        max_position_embeddings=2048,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    config = LlavaConfig(
        vision_config=vision_config(),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=IMAGE_TOKENS,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    return LlavaForConditionalGeneration(config).float()


def pixel_values(images: list[Image.Image]) -> torch.Tensor:
    """Do what the exported image processor does to padded images, in a tenth of the time.

    Args:
        images: RGB images of any shape.

    Returns:
        float32 [N, 3, 84, 84], equal to `CLIPImageProcessor` (PIL backend) on square images.
    """
    side = (IMAGE_SIZE, IMAGE_SIZE)
    padded = [pad_to_square(image, MEAN_COLOUR) for image in images]
    small = [image.resize(side, Image.Resampling.BICUBIC) for image in padded]
    values = np.stack([np.asarray(image, dtype=np.float32) for image in small]) / 255
    values = (values - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(values.transpose(0, 3, 1, 2).copy())
