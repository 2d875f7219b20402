"""The engine on `LlavaForConditionalGeneration`.

    requests -> token ids, each chunk of the prompt tokenised on its own
             -> grouped by image, identical requests once          (pure Python, `batching`)
    batch    -> images: RGB, padded to a square, CLIP's processor on the PIL backend; ahead of
                the model, in a thread
             -> prefixes prefilled once, questions packed, greedy  (`sharing`)
             -> new tokens -> text

With sharing off, prompts are padded on the left and go through transformers' own `generate`.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers

from llava_eval.batching import fill_batches, plan_batches
from llava_eval.digests import digest_of
from llava_eval.engines import EngineSettings
from llava_eval.engines.loading import Loaded, load
from llava_eval.engines.memory import cache_tokens
from llava_eval.engines.sharing import Batch, Group, Question, split_at_prefix
from llava_eval.errors import LlavaEvalError, ModelError
from llava_eval.families import prompt_chunks
from llava_eval.images import open_image, pad_to_square
from llava_eval.records import ImageRef, Json, Prediction, Request

# Attention that takes a mask of who sees whom; others go without sharing.
MASKED_ATTENTION = ("sdpa", "eager")
# Tokens of questions packed behind an image at once. More waste attention on what the mask
# hides, fewer make the matrices of a pass small.
MOST_PACKED = 512
READERS = 4  # threads that read image files: the disk is slower than the hash


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


@dataclass(eq=False)
class Distinct:
    """A prompt about one image, and all requests that ask exactly this.

    Attributes:
        ids: Its tokens, the image as a single one.
        max_new_tokens: Limit of its answer.
        requests: At least one.
    """

    ids: list[int]
    max_new_tokens: int
    requests: list[Request] = field(default_factory=list)


@dataclass(eq=False)
class Work:
    """One image with everything that is asked about it."""

    image: ImageRef | None
    prompts: dict[tuple[Any, ...], Distinct] = field(default_factory=dict)

    @property
    def requests(self) -> list[Request]:
        """All requests about this image."""
        return [request for prompt in self.prompts.values() for request in prompt.requests]


class HfEngine:
    """Greedy generation with transformers, images and prefixes shared."""

    def __init__(self, loaded: Loaded, settings: EngineSettings) -> None:
        self.checkpoint = loaded.checkpoint
        self.family = loaded.family
        self.tokenizer = loaded.processor.tokenizer
        self.image_processor = loaded.processor.image_processor
        self.model = loaded.model
        self.eos, self.pad = loaded.eos, loaded.pad
        self.settings = settings
        config = loaded.model.config
        self.image_token = config.image_token_id
        self.image_length = config.image_seq_length
        self.context = config.text_config.max_position_embeddings

    @classmethod
    def load(cls, settings: EngineSettings) -> HfEngine:
        """Load a checkpoint.

        Raises:
            ModelError: It is unsafe, incomplete, or its parts disagree.
            UsageError: A setting is not known.
        """
        return cls(load(settings), settings)

    @property
    def shares(self) -> bool:
        """Whether the questions about one image share its prefix."""
        return self.settings.share and self._attention in MASKED_ATTENTION

    @property
    def _attention(self) -> str:
        return str(self.model.config._attn_implementation)

    def identity(self) -> Json:
        """Return all that can change an answer.

        In float32 neither sharing nor the batch size does.
        """
        return {
            "engine": "hf",
            "model": self.checkpoint.name,
            "revision": self.checkpoint.revision,
            "weights": self.checkpoint.digest,
            "family": self.family.name,
            "template": digest_of([self.family.with_image, self.family.text_only]),
            "pad_to_square": self.family.pad_to_square,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "attention": self._attention,
        }

    def environment(self) -> Json:
        """Return what is worth recording besides."""
        return {
            "device": str(self.model.device),
            "hardware": _hardware(self.model.device),
            "batch_size": self.settings.batch_size,
            "sharing": self.shares,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        """Answer all requests.

        A request that cannot be encoded fails alone, an unreadable image fails its own
        questions; an exception in a batch makes each of its predictions a failed one.
        """
        return self._shared(requests) if self.shares else self._plain(requests)

    def _shared(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        works, failed = self._group(requests)
        if failed:
            yield failed
        batches = self._batches(works)
        with ThreadPoolExecutor(1) as ahead:
            following = [ahead.submit(self._pixels_of, batch) for batch in batches[:1]]
            for place, batch in enumerate(batches):
                pixels = following.pop().result()
                if place + 1 < len(batches):
                    following.append(ahead.submit(self._pixels_of, batches[place + 1]))
                yield self._answer(batch, pixels)

    def _group(self, requests: Sequence[Request]) -> tuple[list[Work], list[Prediction]]:
        """Put requests about the same picture together, and those that ask the same."""
        works: dict[str, Work] = {}
        failed = []
        with ThreadPoolExecutor(READERS) as readers:
            digests = readers.map(_image_digest, requests)
            for request, digest in zip(requests, digests, strict=True):
                try:
                    if isinstance(digest, Exception):
                        raise digest
                    ids = self._tokens(request)
                except Exception as error:  # noqa: BLE001 (the guard: it fails this one alone)
                    failed.append(_failed(request, error))
                    continue
                work = works.setdefault(digest, Work(next(iter(request.images), None)))
                key = (*ids, request.max_new_tokens)
                prompt = work.prompts.setdefault(key, Distinct(ids, request.max_new_tokens))
                prompt.requests.append(request)
        return list(works.values()), failed

    def _batches(self, works: Sequence[Work]) -> list[list[Work]]:
        """Fill batches with images of like prefix, as many as the cache has room for."""
        lengths = [self._cached(work) for work in works]
        room = cache_tokens(self.model, self.settings.memory)
        places = fill_batches(lengths, self.settings.batch_size, room)
        return [[works[place] for place in batch] for batch in places]

    def _cached(self, work: Work) -> int:
        """Count the columns that an image takes in the cache, at most."""
        prompts = list(work.prompts.values())
        prefix, rests = split_at_prefix([prompt.ids for prompt in prompts])
        packed = max(MOST_PACKED, *map(len, rests)) if len(rests) > 1 else 0
        answers = max(prompt.max_new_tokens for prompt in prompts)
        questions = min(packed, sum(map(len, rests)))
        columns: int = len(prefix) + self.image_length + questions + answers
        return columns

    def _pixels_of(self, works: Sequence[Work]) -> list[torch.Tensor | Exception | None]:
        """Decode the images of a batch; in place of one that cannot be read stands its error."""
        found: list[torch.Tensor | Exception | None] = []
        for work in works:
            try:
                found.append(self.pixels(open_image(work.image)) if work.image else None)
            except Exception as error:  # noqa: BLE001 (the guard: it fails this image alone)
                found.append(error)
        return found

    def _answer(self, works: Sequence[Work], pixels: Sequence[Any]) -> list[Prediction]:
        failed = [
            _failed(request, error)
            for work, error in zip(works, pixels, strict=True)
            if isinstance(error, Exception)
            for request in work.requests
        ]
        whole = [
            (work, values)
            for work, values in zip(works, pixels, strict=True)
            if not isinstance(values, Exception)
        ]
        try:
            return failed + (self._answer_groups(whole) if whole else [])
        except Exception as error:  # noqa: BLE001 (the guard: whatever went wrong is recorded)
            rest = [request for work, _ in whole for request in work.requests]
            return failed + [_failed(request, error) for request in rest]

    def _answer_groups(self, whole: Sequence[tuple[Work, Any]]) -> list[Prediction]:
        groups, asked = [], []
        for work, pixels in whole:
            for prompts in self._sharing(work):
                prefix, rests = split_at_prefix([self._expand(prompt.ids) for prompt in prompts])
                questions = [
                    Question(rest, prompt.max_new_tokens)
                    for rest, prompt in zip(rests, prompts, strict=True)
                ]
                groups.append(Group(prefix, pixels, questions))
                asked += [
                    (request, len(prefix) + len(question.ids), question)
                    for question, prompt in zip(questions, prompts, strict=True)
                    for request in prompt.requests
                ]
        with torch.inference_mode():
            Batch(self.model, groups).answer(self.eos, MOST_PACKED)
        return [self._prediction(request, n, question.new) for request, n, question in asked]

    def _sharing(self, work: Work) -> list[list[Distinct]]:
        """Return the prompts that share a prefix: all, if the image stands in it, or none."""
        prompts = list(work.prompts.values())
        prefix, _ = split_at_prefix([prompt.ids for prompt in prompts])
        if work.image is None or self.image_token in prefix:
            return [prompts]
        return [[prompt] for prompt in prompts]

    def _plain(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        lengths = [len(request.text) for request in requests]
        for places in plan_batches(lengths, self.settings.batch_size):
            yield self._answer_plain([requests[place] for place in places])

    def _answer_plain(self, batch: Sequence[Request]) -> list[Prediction]:
        failed: list[Prediction] = []
        encoded: list[Encoded] = []
        for request in batch:
            try:
                encoded.append(self.encode(request))
            except Exception as error:  # noqa: BLE001 (the guard: it fails this request alone)
                failed.append(_failed(request, error))
        try:
            return failed + (self._generate(encoded) if encoded else [])
        except Exception as error:  # noqa: BLE001 (the guard: whatever went wrong is recorded)
            return failed + [_failed(item.request, error) for item in encoded]

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
        return [
            self._prediction(item.request, len(item.ids), tokens)
            for item, tokens in zip(encoded, new, strict=True)
        ]

    def encode(self, request: Request) -> Encoded:
        """Turn a request into token ids and pixels.

        Raises:
            DataError: Its image cannot be read.
            ModelError: It is longer than the model's context.
        """
        ids = self._expand(self._tokens(request))
        image = open_image(request.images[0]) if request.images else None
        return Encoded(request, ids, None if image is None else self.pixels(image))

    def _tokens(self, request: Request) -> list[int]:
        """Return the token ids of a request, the image as a single one.

        Raises:
            ModelError: It is longer than the model's context.
        """
        ids = self.tokenize(request.text, bool(request.images))
        length = len(ids) + (self.image_length - 1) * bool(request.images)
        if length + request.max_new_tokens > self.context:
            raise ModelError(
                f"{request.id}: {length} prompt and {request.max_new_tokens} answer tokens do "
                f"not fit into the model's context of {self.context}"
            )
        return ids

    def _expand(self, ids: list[int]) -> list[int]:
        """Give the image as many positions as it has features."""
        if self.image_token not in ids:
            return ids
        place = ids.index(self.image_token)
        return ids[:place] + [self.image_token] * self.image_length + ids[place + 1 :]

    def tokenize(self, text: str, has_image: bool) -> list[int]:
        """Return the token ids of a prompt, the image as a single one.

        Each chunk of the template is tokenised on its own, which puts the LLaMA tokenizer's
        word-start marker (29871) both before and after the image, as in the original. Special
        tokens inside a question are plain text.

        Source: haotian-liu/LLaVA, `llava/mm_utils.py` (`tokenizer_image_token`).
        """
        first, *rest = prompt_chunks(self.family, text, has_image)
        ids: list[int] = self.tokenizer(first, split_special_tokens=True).input_ids
        for chunk in rest:
            ids.append(self.image_token)
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

    def _prediction(self, request: Request, prompt_tokens: int, new: list[int]) -> Prediction:
        end = next((place for place, token in enumerate(new) if token in self.eos), None)
        finish = "length" if end is None else "stop"
        new = new if end is None else new[: end + 1]
        text = self.tokenizer.decode(new, skip_special_tokens=True).strip()
        return Prediction(request.id, text, finish, "", prompt_tokens, len(new))


def _failed(request: Request, error: Exception) -> Prediction:
    """Record why a request has no answer."""
    reason = str(error) if isinstance(error, LlavaEvalError) else f"{type(error).__name__}: {error}"
    return Prediction(request.id, "", "error", reason)


def _image_digest(request: Request) -> str | Exception:
    """Name a picture by its content: the same one often has several names and rows."""
    if not request.images:
        return ""
    try:
        return hashlib.sha256(request.images[0].read()).hexdigest()
    except Exception as error:  # noqa: BLE001 (the guard: it fails this image's questions alone)
        return error


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


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
