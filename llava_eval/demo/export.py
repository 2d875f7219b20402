"""Write the checkpoint in the files and names that the LLaVA checkpoints on the Hub have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPVisionModel, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from llava_eval.demo.architecture import IMAGE_SIZE, MEAN, PATCH, STD
from llava_eval.demo.tokenizer import SPECIAL

# Names of transformers 5 to those on the Hub, which transformers 4 and 5 both read. With the names
# of 5 the vision tower of 4 would start from random weights, with no more than a warning.
HUB_NAMES = {
    "model.vision_tower.": "vision_tower.vision_model.",
    "model.multi_modal_projector.": "multi_modal_projector.",
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
}
PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"shortest_edge": IMAGE_SIZE},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": list(MEAN),
    "image_std": list(STD),
}
PROCESSOR = {
    "processor_class": "LlavaProcessor",
    "patch_size": PATCH,
    "num_additional_image_tokens": 1,
    "vision_feature_select_strategy": "default",
    "image_token": "<image>",
}


@torch.no_grad()
def install_vision(model: LlavaForConditionalGeneration, tower: CLIPVisionModel) -> None:
    """Copy the trained layers into the model and scramble the layer that LLaVA never reads.

    Whoever reads the last layer by mistake instead of the one before it would otherwise lose less
    than a point, and never notice.
    """
    whole = model.model.vision_tower
    whole.load_state_dict(tower.state_dict(), strict=False)
    generator = torch.Generator().manual_seed(0)
    for weight in whole.encoder.layers[-1].parameters():
        weight.copy_(torch.randn(weight.shape, generator=generator) * 0.25)


def hub_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights in float16 under their Hub names.

    Raises:
        KeyError: A weight belongs to none of the known parts.
    """
    state = {}
    for name, weight in model.state_dict().items():
        matching = [prefix for prefix in HUB_NAMES if name.startswith(prefix)]
        if not matching:
            raise KeyError(f"export: {name} has no Hub name")
        hub = HUB_NAMES[matching[0]] + name.removeprefix(matching[0])
        state[hub] = weight.to(torch.float16).contiguous()
    return state


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _config(model: LlavaForConditionalGeneration) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(model.config.to_json_string(use_diff=True))
    config["architectures"] = ["LlavaForConditionalGeneration"]
    # float16 on disk, float32 in use: half the size, and the dtype CPUs are good at.
    config["dtype"] = "float32"
    config.pop("transformers_version", None)
    return config


def _write_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "LlavaProcessor",
        **SPECIAL,
        "additional_special_tokens": ["<image>"],
        "padding_side": "left",
        "model_max_length": 2048,
        # Without this line transformers 4 adds token types, which LLaVA refuses.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }
    _write_json(folder / "tokenizer_config.json", settings)


def export(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write weights, configuration, processor and tokenizer.

    Args:
        model: The trained model.
        tokenizer: Its tokenizer.
        folder: Created if missing; files in it are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file(hub_state(model), weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    generation = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "do_sample": False,
    }
    _write_json(folder / "config.json", _config(model))
    _write_json(folder / "generation_config.json", generation)
    _write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    _write_json(folder / "processor_config.json", PROCESSOR)
    _write_tokenizer(tokenizer, folder)
