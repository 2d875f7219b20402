"""The engine on `LlavaForConditionalGeneration`: the only file that imports torch.

One batch, from requests to predictions:

    request -> prompt chunks -> token ids, each chunk tokenised on its own
            -> image: RGB, padded to a square, CLIP's processor on the PIL backend
    batch   -> ids padded on the left -> greedy generate -> new tokens -> text
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoProcessor,
    GenerationConfig,
    LlavaForConditionalGeneration,
)

from llava_eval.batching import plan_batches
from llava_eval.checkpoint import Checkpoint, find_checkpoint
from llava_eval.digests import digest_of
from llava_eval.engines import EngineSettings
from llava_eval.errors import LlavaEvalError, ModelError, UsageError, nearest
from llava_eval.families import FAMILIES, Family, prompt_chunks
from llava_eval.images import open_image, pad_to_square
from llava_eval.records import Json, Prediction, Request

# What transformers raises for a checkpoint that is broken in one way or another.
LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Encoded:
    """One request as the model sees it.

    Attributes:
        request: Where it comes from.
        ids: Token ids, one per position, image positions included.
        pixels: Shape (1, 3, height, width), or None without an image.
    """

    request: Request
    ids: list[int]
    pixels: torch.Tensor | None


class HfEngine:
    """Batched, left-padded greedy generation with transformers."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        family: Family,
        processor: Any,
        model: Any,
        settings: EngineSettings,
    ) -> None:
        self.checkpoint = checkpoint
        self.family = family
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        self.model = model
        self.settings = settings
        config = model.config
        self.image_token = config.image_token_id
        self.image_length = config.image_seq_length
        self.context = config.text_config.max_position_embeddings
        self.eos = _eos_ids(model)
        self.pad = _first(model.generation_config.pad_token_id, self.tokenizer.pad_token_id, 0)
        # A checkpoint's own generation settings (temperature, penalties) must not leak in.
        model.generation_config = GenerationConfig(
            do_sample=False, num_beams=1, eos_token_id=self.eos, pad_token_id=self.pad
        )

    @classmethod
    def load(cls, settings: EngineSettings) -> HfEngine:
        """Load a checkpoint.

        Raises:
            ModelError: It is unsafe, incomplete, or its parts disagree.
            UsageError: A setting is not known.
        """
        checkpoint = find_checkpoint(
            settings.model, settings.revision, settings.allow_pickle, settings.trust_remote_code
        )
        family = _family(checkpoint, settings.family)
        transformers.utils.logging.disable_progress_bar()
        try:
            config = AutoConfig.from_pretrained(checkpoint.folder)
            processor = _load_processor(checkpoint, settings)
            _check_agreement(checkpoint, config, processor)
            model = _load_model(checkpoint, config, settings)
        except LOADING_ERRORS as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ModelError(f"{checkpoint.folder}: cannot be loaded: {reason}") from error
        return cls(checkpoint, family, processor, model, settings)

    def identity(self) -> Json:
        """Return all that can change an answer."""
        return {
            "engine": "hf",
            "model": self.checkpoint.name,
            "revision": self.checkpoint.revision,
            "weights": self.checkpoint.digest,
            "family": self.family.name,
            "template": digest_of([self.family.with_image, self.family.text_only]),
            "pad_to_square": self.family.pad_to_square,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "attention": self.model.config._attn_implementation,
        }

    def environment(self) -> Json:
        """Return what is worth recording besides."""
        return {
            "device": str(self.model.device),
            "hardware": _hardware(self.model.device),
            "batch_size": self.settings.batch_size,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        """Answer all requests in batches of like length.

        A request that cannot be encoded fails alone; an exception in a batch makes each of
        its predictions a failed one that says so.
        """
        lengths = [len(request.text) for request in requests]
        for places in plan_batches(lengths, self.settings.batch_size):
            yield self._answer([requests[place] for place in places])

    def _answer(self, batch: Sequence[Request]) -> list[Prediction]:
        failed: list[Prediction] = []
        encoded: list[Encoded] = []
        for request in batch:
            try:
                encoded.append(self.encode(request))
            except LlavaEvalError as error:
                failed.append(Prediction(request.id, "", "error", str(error)))
        try:
            return failed + (self._generate(encoded) if encoded else [])
        except Exception as error:  # noqa: BLE001 (the guard: whatever went wrong is recorded)
            reason = f"{type(error).__name__}: {error}"
            return failed + [Prediction(e.request.id, "", "error", reason) for e in encoded]

    def encode(self, request: Request) -> Encoded:
        """Turn a request into token ids and pixels.

        Raises:
            DataError: Its image cannot be read.
            ModelError: It is longer than the model's context.
        """
        image = open_image(request.images[0]) if request.images else None
        ids = self.tokenize(request.text, image is not None)
        if len(ids) + request.max_new_tokens > self.context:
            raise ModelError(
                f"{request.id}: {len(ids)} prompt and {request.max_new_tokens} answer tokens do "
                f"not fit into the model's context of {self.context}"
            )
        return Encoded(request, ids, None if image is None else self.pixels(image))

    def tokenize(self, text: str, has_image: bool) -> list[int]:
        """Return the token ids of a prompt.

        Each chunk of the template is tokenised on its own, which puts the LLaMA tokenizer's
        word-start marker (29871) both before and after the image, as in the original. Special
        tokens inside a question are plain text.

        Source: haotian-liu/LLaVA, `llava/mm_utils.py` (`tokenizer_image_token`).
        """
        first, *rest = prompt_chunks(self.family, text, has_image)
        ids: list[int] = self.tokenizer(first, split_special_tokens=True).input_ids
        for chunk in rest:
            ids += [self.image_token] * self.image_length
            ids += self.tokenizer(
                chunk, split_special_tokens=True, add_special_tokens=False
            ).input_ids
        return ids

    def pixels(self, image: Any) -> torch.Tensor:
        """Return the pixel values of an RGB image: shape (1, 3, height, width)."""
        if self.family.pad_to_square:
            red, green, blue = (int(255 * mean) for mean in self.image_processor.image_mean)
            image = pad_to_square(image, (red, green, blue))
        values: torch.Tensor = self.image_processor(image, return_tensors="pt")["pixel_values"]
        return values

    def _generate(self, encoded: Sequence[Encoded]) -> list[Prediction]:
        ids, mask = left_pad([item.ids for item in encoded], self.pad)
        inputs = {"input_ids": ids, "attention_mask": mask}
        pixels = [item.pixels for item in encoded if item.pixels is not None]
        if pixels:
            inputs["pixel_values"] = torch.cat(pixels).to(self.model.dtype)
        with torch.inference_mode():
            output = self.model.generate(
                **{name: value.to(self.model.device) for name, value in inputs.items()},
                max_new_tokens=max(item.request.max_new_tokens for item in encoded),
            )
        new = output[:, ids.shape[1] :].tolist()
        return [self._prediction(*pair) for pair in zip(encoded, new, strict=True)]

    def _prediction(self, encoded: Encoded, new: list[int]) -> Prediction:
        end = next((place for place, token in enumerate(new) if token in self.eos), None)
        finish = "length" if end is None else "stop"
        new = new if end is None else new[: end + 1]
        text = self.tokenizer.decode(new, skip_special_tokens=True).strip()
        return Prediction(encoded.request.id, text, finish, "", len(encoded.ids), len(new))


def left_pad(rows: Sequence[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Put padding before the tokens: the last position of every row is its last token.

    Args:
        rows: Token ids of each prompt.
        pad: Id of the padding token; it is masked.

    Returns:
        Ids and attention mask, both of shape (rows, longest row).
    """
    width = max(map(len, rows))
    ids = [[pad] * (width - len(row)) + row for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def _family(checkpoint: Checkpoint, name: str | None) -> Family:
    if name is not None:
        if name not in FAMILIES:
            raise UsageError(f"--family {name}: not known; {nearest(name, FAMILIES)}")
        return FAMILIES[name]
    text_model = checkpoint.config.get("text_config", {}).get("model_type", "llama")
    for family in FAMILIES.values():
        if text_model in family.text_model_types:
            return family
    raise ModelError(
        f"{checkpoint.folder}: no family speaks to a {text_model!r} language model; "
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
    strategy = config.vision_feature_select_strategy
    patches = (vision.image_size // vision.patch_size) ** 2
    crop = processor.image_processor.crop_size
    for what, ours, models in (
        ("patch size", processor.patch_size, vision.patch_size),
        ("feature strategy", processor.vision_feature_select_strategy, strategy),
        ("image height", crop["height"], vision.image_size),
        ("image width", crop["width"], vision.image_size),
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
                f"{ours!r} against {models!r}; mend processor_config.json or config.json"
            )


def _load_model(checkpoint: Checkpoint, config: Any, settings: EngineSettings) -> Any:
    device = _device(settings.device)
    model, report = LlavaForConditionalGeneration.from_pretrained(
        checkpoint.folder,
        config=config,
        dtype=_dtype(settings.dtype, device, config),
        attn_implementation=settings.attention,
        use_safetensors=None if settings.allow_pickle else True,
        output_loading_info=True,
    )
    for what, keys in report.items():
        if keys:
            some = ", ".join(sorted(map(str, keys))[:3])
            raise ModelError(
                f"{checkpoint.folder}: {len(keys)} {what.replace('_', ' ')} in the weights "
                f"({some}); they do not belong to this config.json"
            )
    return model.to(device).eval()


def _device(name: str) -> torch.device:
    if name == "auto":
        for kind in ("cuda", "mps"):
            if getattr(torch, kind).is_available():
                return torch.device(kind)
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from error
    if device.type != "cpu" and not getattr(torch, device.type).is_available():
        raise UsageError(f"--device {name}: not available here; use cpu or auto")
    return device


def _dtype(name: str, device: torch.device, config: Any) -> torch.dtype:
    if name == "auto":
        own = config.dtype or torch.float32
        return torch.float32 if device.type == "cpu" else own
    if name not in DTYPES:
        raise UsageError(f"--dtype {name}: not known; {nearest(name, DTYPES)}")
    return DTYPES[name]


def _eos_ids(model: Any) -> list[int]:
    config = model.config.text_config
    ids = _first(model.generation_config.eos_token_id, config.eos_token_id)
    if ids is None:
        raise ModelError("the checkpoint names no eos_token_id; add it to generation_config.json")
    return [ids] if isinstance(ids, int) else list(ids)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
