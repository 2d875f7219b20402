"""The engine on `LlavaForConditionalGeneration`.

    requests -> token ids, each chunk of the prompt tokenised on its own
             -> grouped by image, identical requests once          (`grouping`)
    images   -> RGB, padded to a square, CLIP's processor on the PIL backend; in threads,
                ahead of the model
             -> prefixes prefilled once, questions packed, greedy  (`sharing`, `slots`)
             -> new tokens -> text

With sharing off, prompts are padded on the left and go through transformers' own `generate`.
"""

from __future__ import annotations

import platform
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any

import torch
import transformers
from transformers import LogitsProcessor, LogitsProcessorList

from llava_eval.batching import plan_batches, plan_slots
from llava_eval.digests import digest_of
from llava_eval.engines import EngineSettings
from llava_eval.engines.attempts import Attempts, Failed, out_of_memory
from llava_eval.engines.grouping import Distinct, Work, ahead, group_by_image, image_digests
from llava_eval.engines.loading import Loaded, load
from llava_eval.engines.memory import cache_tokens, forget_peak, peak_memory
from llava_eval.engines.sharing import (
    NO_NUMBERS,
    Group,
    Question,
    columns_needed,
    split_at_prefix,
)
from llava_eval.engines.timing import BESIDE, Clock, Stages
from llava_eval.errors import LlavaEvalError, ModelError
from llava_eval.families import prompt_chunks
from llava_eval.images import open_image, pad_to_square
from llava_eval.records import Json, Prediction, Request

# Attention that takes a mask of who sees whom; others go without sharing.
MASKED_ATTENTION = ("sdpa", "eager")
# Threads that prepare pictures. A processor has better things to do; a GPU waits for them.
PICTURE_THREADS = {"cpu": 1}
PICTURE_THREADS_ELSEWHERE = 6
TEXTS_AT_ONCE = 1000  # given to the tokenizer


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
    """Greedy generation with transformers, images and prefixes shared."""

    def __init__(self, loaded: Loaded, settings: EngineSettings) -> None:
        self.checkpoint = loaded.checkpoint
        self.family = loaded.family
        self.tokenizer = loaded.processor.tokenizer
        self.image_processor = loaded.processor.image_processor
        self.model = loaded.model
        self.eos, self.pad = loaded.eos, loaded.pad
        self.settings = settings
        self.clock: Clock = perf_counter
        self.stages = Stages(loaded.model.device)
        self.notes: list[str] = []
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
            "device": _devices(self.model),
            "hardware": _hardware(self.model.device),
            "batch_size": self.settings.batch_size,
            "sharing": self.shares,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def performance(self) -> Json:
        """Return what the last `generate` took and met.

        Returns:
            Seconds of each of its `stages`, `peak_memory_bytes`, and `notes` on shortages.
        """
        return {
            "stages": self.stages.total(),
            "peak_memory_bytes": peak_memory(self.model.device),
            "notes": self.notes,
        }

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        """Answer all requests.

        A request that cannot be encoded fails alone, an unreadable image fails its own
        questions; an exception in the model fails the requests that were on their way.
        """
        forget_peak(self.model.device)
        self.stages, self.notes = Stages(self.model.device, self.clock), []
        with self.stages.watch(self.model):
            yield from self._shared(requests) if self.shares else self._plain(requests)

    def _shared(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        works, failed = group_by_image(requests, self._ids(requests), image_digests(requests))
        if failed:
            yield [_failed(request, error) for request, error in failed]
        if not works:
            return
        system = self._system(works)
        needed = [self._columns(work) for work in works]
        room = cache_tokens(self.model, self.settings.memory)
        most = self.settings.batch_size
        attempts = Attempts(self.model, self.eos, self.stages, system, most)
        unread: list[Prediction] = []
        for count, columns, places in plan_slots(needed, most, room):
            groups = self._groups([works[place] for place in places], unread)
            for done, broken in attempts.answer(groups, count, columns):
                answered = [p for group in done for p in self._predictions(group)]
                if answered or broken or unread:
                    yield [*unread, *answered, *_all_failed(broken)]
                unread.clear()
            self._note_shortages(attempts.shortages, attempts.most)
        if unread:
            yield unread

    def _note_shortages(self, times: int, most: int) -> None:
        if times:
            self.notes = [
                f"out of memory: asked again in smaller batches ({times}x), at last {most} at once"
            ]

    def _system(self, works: Sequence[Work]) -> list[int]:
        """Return what all prompts begin with, up to the image; every prefix goes on behind it."""
        prompts = [prompt.ids for work in works for prompt in work.prompts]
        common, _ = split_at_prefix([min(prompts), max(prompts)])
        if self.image_token in common:
            common = common[: common.index(self.image_token)]
        shortest = min(len(self._prefix(p)) for work in works for p in self._sharing(work))
        return common[: shortest - 1]

    def _columns(self, work: Work) -> int:
        """Count the columns that an image takes in the cache."""
        image: int = (self.image_length - 1) * (work.image is not None)
        groups = map(_questions, self._sharing(work))
        most = max(columns_needed(asked, len(prefix)) for prefix, asked in groups)
        return image + most

    def _prefix(self, prompts: Sequence[Distinct]) -> list[int]:
        return split_at_prefix([prompt.ids for prompt in prompts])[0]

    def _sharing(self, work: Work) -> list[list[Distinct]]:
        """Return the prompts that share a prefix: all, if the image stands in it, or none."""
        prefix = self._prefix(work.prompts)
        if self.image_token in prefix or (work.image is None and prefix):
            return [work.prompts]
        return [[prompt] for prompt in work.prompts]

    def _groups(self, works: Sequence[Work], unread: list[Prediction]) -> Iterator[Group]:
        """Yield works as groups with their pixels; put the questions of what cannot be read aside.

        Args:
            works: In the order in which they are wanted.
            unread: Gets a failed prediction for every question about a picture that is none.
        """
        kind = self.model.device.type
        threads = PICTURE_THREADS.get(kind, PICTURE_THREADS_ELSEWHERE)
        coming = ahead(self._pixels_of, works, threads, most=self.settings.batch_size)
        while True:
            with self.stages("idle"):
                work, (pixels, seconds) = next(coming, (None, (None, 0.0)))
            if work is None:
                return
            self.stages.seconds[BESIDE] += seconds
            if isinstance(pixels, Exception):
                unread += [_failed(request, pixels) for request in work.requests]
                continue
            for prompts in self._sharing(work):
                prefix, questions = _questions(prompts)
                yield Group(self._expand(prefix), pixels, questions)

    def _pixels_of(self, work: Work) -> tuple[torch.Tensor | Exception | None, float]:
        """Decode and prepare a picture, or say why not; and what it took, in seconds."""
        start = thread_time()
        try:
            made: Any = self.pixels(open_image(work.image)) if work.image else None
        except Exception as error:  # noqa: BLE001 (the guard: it fails this image alone)
            made = error
        return made, thread_time() - start

    def _predictions(self, group: Group) -> list[Prediction]:
        return [
            Prediction(request.id, "", "error", question.error)
            if question.error
            else self._prediction(request, len(group.prefix) + len(question.ids), question.new)
            for question in group.questions
            for request in question.label.requests
        ]

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
        return failed + (self._generate_halving(encoded) if encoded else [])

    def _generate_halving(self, encoded: Sequence[Encoded]) -> list[Prediction]:
        """Generate; where memory does not suffice, in two halves."""
        try:
            return self._generate(encoded)
        except Exception as error:  # noqa: BLE001 (the guard: whatever went wrong is recorded)
            if len(encoded) == 1 or not out_of_memory(error):
                return [_failed(item.request, error) for item in encoded]
        middle = len(encoded) // 2
        self._note_shortages(1, middle)
        return [
            prediction
            for half in (encoded[:middle], encoded[middle:])
            for prediction in self._generate_halving(half)
        ]

    def _generate(self, encoded: Sequence[Encoded]) -> list[Prediction]:
        ids, mask = left_pad([item.ids for item in encoded], self.pad)
        inputs = {"input_ids": ids, "attention_mask": mask}
        pixels = [item.pixels for item in encoded if item.pixels is not None]
        if pixels:
            inputs["pixel_values"] = torch.cat(pixels).to(self.model.dtype)
        watch = NanWatch()
        with self.stages("generate"), torch.inference_mode():
            output = self.model.generate(
                **{name: value.to(self.model.device) for name, value in inputs.items()},
                max_new_tokens=max(item.request.max_new_tokens for item in encoded),
                logits_processor=LogitsProcessorList([watch]),
            )
        new = output[:, ids.shape[1] :].tolist()
        return [
            Prediction(item.request.id, "", "error", NO_NUMBERS)
            if spoilt
            else self._prediction(
                item.request, len(item.ids), tokens[: item.request.max_new_tokens]
            )
            for item, tokens, spoilt in zip(encoded, new, watch.spoilt, strict=True)
        ]

    def encode(self, request: Request) -> Encoded:
        """Turn a request into token ids and pixels.

        Raises:
            DataError: Its image cannot be read.
            ModelError: It is longer than the model's context.
        """
        (ids,) = self._ids([request])
        if isinstance(ids, Exception):
            raise ids
        image = open_image(request.images[0]) if request.images else None
        pixels = None if image is None else self.pixels(image)
        return Encoded(request, self._expand(ids), pixels)

    def _ids(self, requests: Sequence[Request]) -> list[array[int] | Exception]:
        """Return the token ids of each request, the image as a single one, or why it has none."""
        found: dict[tuple[str, bool], array[int]] = {}
        for has_image in (False, True):
            texts = list(dict.fromkeys(r.text for r in requests if bool(r.images) == has_image))
            for start in range(0, len(texts), TEXTS_AT_ONCE):
                some = texts[start : start + TEXTS_AT_ONCE]
                for text, ids in zip(some, self.tokenize(some, has_image), strict=True):
                    found[text, has_image] = array("i", ids)
        return [self._fitting(r, found[r.text, bool(r.images)]) for r in requests]

    def _fitting(self, request: Request, ids: array[int]) -> array[int] | Exception:
        length = len(ids) + (self.image_length - 1) * bool(request.images)
        if length + request.max_new_tokens > self.context:
            return ModelError(
                f"{request.id}: {length} prompt and {request.max_new_tokens} answer tokens do "
                f"not fit into the model's context of {self.context}"
            )
        return ids

    def _expand(self, ids: Sequence[int]) -> list[int]:
        """Give the image as many positions as it has features."""
        if self.image_token not in ids:
            return list(ids)
        place = ids.index(self.image_token)
        image = [self.image_token] * self.image_length
        return [*ids[:place], *image, *ids[place + 1 :]]

    def tokenize(self, texts: Sequence[str], has_image: bool) -> list[list[int]]:
        """Return the token ids of prompts, the image as a single one.

        Each chunk of the template is tokenised on its own, which puts the LLaMA tokenizer's
        word-start marker (29871) both before and after the image, as in the original. Special
        tokens inside a question are plain text.

        Source: haotian-liu/LLaVA, `llava/mm_utils.py` (`tokenizer_image_token`).
        """
        chunks = [prompt_chunks(self.family, text, has_image) for text in texts]
        first, *rest = zip(*chunks, strict=True)
        rows = self._tokenize_chunks(first, add_special_tokens=True)
        for chunk in rest:
            following = self._tokenize_chunks(chunk, add_special_tokens=False)
            rows = [
                [*row, self.image_token, *more] for row, more in zip(rows, following, strict=True)
            ]
        return rows

    def _tokenize_chunks(self, chunks: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        """Tokenise texts, each different one once: what stands before the image is one text."""
        different = list(dict.fromkeys(chunks))
        encoded = self.tokenizer(
            different, split_special_tokens=True, add_special_tokens=add_special_tokens
        )
        found = dict(zip(different, encoded.input_ids, strict=True))
        return [found[chunk] for chunk in chunks]

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


class NanWatch(LogitsProcessor):  # type: ignore[misc]
    """Notes the rows of a batch whose logits are no numbers at any step."""

    def __init__(self) -> None:
        self.spoilt: list[bool] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Look at logits of shape (rows, vocabulary), and pass them on."""
        now = scores.isnan().any(-1).tolist()
        self.spoilt = [a or b for a, b in zip(self.spoilt or now, now, strict=True)]
        return scores


def _all_failed(broken: Failed) -> list[Prediction]:
    return [
        _failed(request, error)
        for group, error in broken
        for question in group.questions
        for request in question.label.requests
    ]


def _failed(request: Request, error: Exception) -> Prediction:
    """Record why a request has no answer."""
    reason = str(error) if isinstance(error, LlavaEvalError) else f"{type(error).__name__}: {error}"
    return Prediction(request.id, "", "error", reason)


def _questions(prompts: Sequence[Distinct]) -> tuple[list[int], list[Question]]:
    """Split prompts into what they share, and a question each."""
    prefix, rests = split_at_prefix([prompt.ids for prompt in prompts])
    return prefix, [
        Question(rest, prompt.max_new_tokens, prompt)
        for rest, prompt in zip(rests, prompts, strict=True)
    ]


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


def _devices(model: Any) -> str:
    """Name the device of a model, or all that its layers are spread over."""
    spread = getattr(model, "hf_device_map", {"": model.device})
    return ", ".join(dict.fromkeys(str(torch.device(place)) for place in spread.values()))


def _hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
