"""Checkpoints to models: load with transformers, refuse what does not fit together."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pickle import UnpicklingError  # the exception, no function
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoProcessor, GenerationConfig, LlavaForConditionalGeneration

from llava_eval.checkpoint import Checkpoint, check_readable, find_checkpoint
from llava_eval.engines import EngineSettings
from llava_eval.errors import LlavaEvalError, ModelError, UsageError, brief, nearest
from llava_eval.families import FAMILIES, Family
from llava_eval.paths import files_in
from llava_eval.retries import patiently, wrapped_fault

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
MOST_LAYERS = 1000  # transformers builds what config.json says before it looks at the weights
VISION = {"patch_size": math.inf, "image_size": math.inf, "num_hidden_layers": MOST_LAYERS}
MOST_QUANTIZED = 8  # numbers in a byte
MOST_OF_A_REASON = 400  # characters: transformers can write pages


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that is ready to answer.

    Attributes:
        checkpoint: Where it comes from.
        family: How it is spoken to.
        processor: Its tokenizer and image processor.
        model: In evaluation mode, on its device; its generation settings are plain greedy.
        eos: Ids that end an answer.
        pad: Id that fills up shorter prompts.
    """

    checkpoint: Checkpoint
    family: Family
    processor: Any
    model: Any
    eos: list[int]
    pad: int


def load(settings: EngineSettings) -> Loaded:
    """Load a checkpoint.

    Raises:
        ModelError: It is unsafe, incomplete, or its parts disagree.
        UsageError: A setting is not known.
    """
    checkpoint = find_checkpoint(
        settings.model, settings.revision, settings.allow_pickle, settings.trust_remote_code
    )
    family = _family(checkpoint, settings.family)
    if "/" in settings.attention and not settings.trust_remote_code:  # a kernel of the Hub
        raise UsageError(
            f"--attn {settings.attention}: is somebody's code on the Hub; if you trust its "
            "author, say --trust-remote-code"
        )
    transformers.utils.logging.disable_progress_bar()
    with readable(checkpoint):
        from_pretrained = partial(AutoConfig.from_pretrained, trust_remote_code=False)
        config = patiently(partial(from_pretrained, checkpoint.folder), wrapped_fault)
        processor = patiently(partial(_load_processor, checkpoint, settings), wrapped_fault)
    _check_agreement(checkpoint, config, processor)
    with readable(checkpoint):
        _check_size(checkpoint, config)
        model = patiently(partial(_load_model, checkpoint, config, settings), wrapped_fault)
    eos = _eos_ids(checkpoint, model)
    pad = _first(model.generation_config.pad_token_id, processor.tokenizer.pad_token_id, 0)
    # A checkpoint's own generation settings (temperature, penalties) must not leak in.
    model.generation_config = GenerationConfig(
        do_sample=False, num_beams=1, eos_token_id=eos, pad_token_id=pad
    )
    return Loaded(checkpoint, family, processor, model, eos, pad)


@contextmanager
def readable(checkpoint: Checkpoint) -> Iterator[None]:
    """Say in one line why a checkpoint cannot be loaded; transformers' own pages are left out."""
    verbosity = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    try:
        yield
    except LlavaEvalError:
        raise
    except UnpicklingError as error:  # torch loads tensors, and advises to load the rest too
        raise ModelError(
            f"{checkpoint.folder}: the pickled weights hold more than tensors; not loaded"
        ) from error
    except Exception as error:  # tokenizers raises Exception itself, transformers all there is
        if wrapped_fault(error):
            check_readable(checkpoint)
        reason = " ".join(str(error).split())[:MOST_OF_A_REASON] or type(error).__name__
        advice = "" if isinstance(error, ImportError) else "; is it complete?"
        raise ModelError(f"{checkpoint.folder}: cannot be loaded: {reason}{advice}") from error
    finally:
        transformers.utils.logging.set_verbosity(verbosity)


def _family(checkpoint: Checkpoint, name: str | None) -> Family:
    if name is not None:
        if name not in FAMILIES:
            raise UsageError(f"--family {name}: not known; {nearest(name, FAMILIES)}")
        return FAMILIES[name]
    text_model = checkpoint.config["text_config"].get("model_type", "llama")
    for family in FAMILIES.values():
        if text_model in family.text_model_types:
            return family
    raise ModelError(
        f"{checkpoint.folder}: no family speaks to a {brief(text_model)} language model; "
        f"if one fits, name it with --family: {', '.join(FAMILIES)}"
    )


def _load_processor(checkpoint: Checkpoint, settings: EngineSettings) -> Any:
    """Load tokenizer and image processor; the PIL backend gives the original's pixels."""
    return AutoProcessor.from_pretrained(
        checkpoint.folder, backend="pil", trust_remote_code=settings.trust_remote_code
    )


def _check_agreement(checkpoint: Checkpoint, config: Any, processor: Any) -> None:
    """Refuse a checkpoint whose processor prepares something else than its model expects.

    transformers compares image tokens and features over a whole batch only, so errors that
    cancel out would pass without a word.
    """
    vision = config.vision_config
    _check_parts(checkpoint, config, processor)
    strategy = config.vision_feature_select_strategy
    patches = (vision.image_size // vision.patch_size) ** 2
    images, layers = processor.image_processor, vision.num_hidden_layers
    crop = images.crop_size
    for what, ours, models in (
        ("patch size", processor.patch_size, vision.patch_size),
        ("feature strategy", processor.vision_feature_select_strategy, strategy),
        ("image height", crop["height"], vision.image_size),
        ("image width", crop["width"], vision.image_size),
        ("size before the crop", _shortest_edge(images.size), vision.image_size),
        ("resizing", images.do_resize, True),
        ("rescaling", images.do_rescale, True),
        ("normalising", images.do_normalize, True),
        ("vision layer", -layers <= config.vision_feature_layer <= layers, True),
        (
            "number of image tokens",
            patches + processor.num_additional_image_tokens - (strategy == "default"),
            patches + (strategy == "full"),
        ),
        ("image_seq_length", config.image_seq_length, patches + (strategy == "full")),
        ("image token", processor.image_token_id, config.image_token_id),
    ):
        if ours != models:
            raise ModelError(
                f"{checkpoint.folder}: processor and model disagree on the {what}: "
                f"{brief(ours)} against {brief(models)}; mend processor_config.json or config.json"
            )


def _check_parts(checkpoint: Checkpoint, config: Any, processor: Any) -> None:
    """Check that there is what `_check_agreement` compares, and that it can be computed with."""
    images = getattr(processor, "image_processor", None)
    if images is None or getattr(processor, "tokenizer", None) is None:
        raise ModelError(
            f"{checkpoint.folder}: {type(processor).__name__} is no processor of images and texts; "
            "is processor_config.json there?"
        )
    if processor.image_token not in processor.tokenizer.get_vocab():
        raise ModelError(
            f"{checkpoint.folder}: the tokenizer has no image token "
            f"{brief(processor.image_token)}; take tokenizer and model from one checkpoint"
        )
    added, crop, size = processor.num_additional_image_tokens, images.crop_size, images.size
    for what, value, fits in (
        *((name, *_of(config.vision_config, name, most)) for name, most in VISION.items()),
        ("num_hidden_layers", *_of(config.text_config, "num_hidden_layers", MOST_LAYERS)),
        ("num_additional_image_tokens", added, _whole(added)),
        ("vision_feature_layer", config.vision_feature_layer, _whole(config.vision_feature_layer)),
        ("crop_size", crop, crop is not None and crop.get("height") and crop.get("width")),
        ("size", size, size is not None),
    ):
        if not fits:
            raise ModelError(f"{checkpoint.folder}: {what} is {brief(value)}; mend its config")


def _of(config: Any, name: str, most: float) -> tuple[Any, bool]:
    """Return a number of a configuration, and whether it is one, above 0 and no larger."""
    value: Any = getattr(config, name, None)
    return value, _whole(value) and 0 < value <= most


def _whole(value: Any) -> bool:
    return type(value) is int


def _shortest_edge(size: Any) -> Any:
    """Read a size in either of its forms; None if it does not fix the shortest edge."""
    if size.get("shortest_edge") is not None:
        return size["shortest_edge"]
    return size.get("height") if size.get("height") == size.get("width") else None


def _check_size(checkpoint: Checkpoint, config: Any) -> None:
    """Refuse a config.json of a larger model than the weights are, before it takes the memory.

    transformers makes room for every tensor that is not in the weights, or has another shape
    there. Pickled weights, which need the user's word, are taken at theirs.
    """
    described = copy.deepcopy(config)
    described._attn_implementation = "eager"  # which all models have
    with torch.device("meta"):  # shapes without memory: 0.1 s for a model of 7B
        numbers = sum(p.numel() for p in LlavaForConditionalGeneration(described).parameters())
    size = sum(
        path.stat().st_size for path in files_in(checkpoint.folder, "*.safetensors", ModelError)
    )
    if size and numbers > size * (
        MOST_QUANTIZED if "quantization_config" in checkpoint.config else 1
    ):
        raise ModelError(
            f"{checkpoint.folder}: cannot be loaded: config.json describes {numbers:,} numbers, "
            f"which {size:,} bytes of weights cannot hold; is it complete?"
        )


def _load_model(checkpoint: Checkpoint, config: Any, settings: EngineSettings) -> Any:
    device = pick_device(settings.device)
    model, report = LlavaForConditionalGeneration.from_pretrained(
        checkpoint.folder,
        config=config,
        dtype=_dtype(settings.dtype, device, config),
        attn_implementation=settings.attention,
        device_map=settings.device_map,
        use_safetensors=None if settings.allow_pickle else True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # they are in the report, and refused below
        output_loading_info=True,
    )
    for what, keys in report.items():
        if keys:
            names = (key if isinstance(key, str) else key[0] for key in keys)
            some = ", ".join(sorted(names)[:3])
            raise ModelError(
                f"{checkpoint.folder}: {len(keys)} {what.replace('_', ' ')} in the weights "
                f"({some}); they do not belong to this config.json"
            )
    return (model if settings.device_map else model.to(device)).eval()


def pick_device(name: str) -> torch.device:
    """Return the device of a name; auto: the first GPU there is.

    Raises:
        UsageError: It is not known or not here.
    """
    if name == "auto":
        for kind in ("cuda", "mps"):
            if getattr(torch, kind).is_available():
                return torch.device(kind)
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or not (number or "0").isdecimal():
        raise UsageError(f"--device {name}: not known; give auto, cpu, cuda, cuda:1 or mps")
    if kind != "cpu" and not getattr(torch, kind).is_available():
        raise UsageError(f"--device {name}: not available here; use cpu or auto")
    if kind == "cuda" and int(number or "0") >= torch.cuda.device_count():
        raise UsageError(f"--device {name}: there are {torch.cuda.device_count()} GPUs here")
    return torch.device(name)


def _dtype(name: str, device: torch.device, config: Any) -> torch.dtype:
    if name == "auto":
        own = config.dtype or torch.float32
        return torch.float32 if device.type == "cpu" else own
    if name not in DTYPES:
        raise UsageError(f"--dtype {name}: not known; {nearest(name, DTYPES)}")
    return DTYPES[name]


def _eos_ids(checkpoint: Checkpoint, model: Any) -> list[int]:
    config = model.config.text_config
    ids = _first(model.generation_config.eos_token_id, config.eos_token_id)
    known = [ids] if isinstance(ids, int) else ids
    if not isinstance(known, list) or not known or not all(type(n) is int for n in known):
        raise ModelError(
            f"{checkpoint.folder}: eos_token_id is {brief(ids)}, must be a number or several; "
            "put it into generation_config.json"
        )
    return known


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
