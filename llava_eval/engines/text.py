"""A local text model, greedy, in batches: the judge of those who have no server.

It asks the model as its own chat template has it. Temperatures are put aside, so that the same
message has the same reply; it is computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import torch
import transformers
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from llava_eval.checkpoint import Checkpoint, find_text_checkpoint
from llava_eval.engines.loading import pick_device, readable
from llava_eval.errors import ModelError, first_line
from llava_eval.records import Json
from llava_eval.replies import Chat, Failure, Reply

Key = TypeVar("Key")
BATCH = 16


class TextJudge:
    """Answers chats with a causal language model of transformers."""

    def __init__(self, checkpoint: Checkpoint, tokenizer: Any, model: Any) -> None:
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer
        self.model = model
        ends = model.generation_config.eos_token_id
        self.ends = [tokenizer.eos_token_id] if ends is None else ends
        self.ends = [self.ends] if isinstance(self.ends, int) else list(self.ends)
        # None: no limit is known.
        self.context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._said: dict[tuple[str, int], Reply | Failure] = {}

    @classmethod
    def load(cls, name: str) -> TextJudge:
        """Load a model and its tokenizer, on the first GPU if there is one.

        Args:
            name: A folder, or "owner/name" on the Hub.

        Raises:
            ModelError: It is unsafe, cannot be loaded, or has no chat template.
        """
        checkpoint = find_text_checkpoint(name)
        transformers.utils.logging.disable_progress_bar()
        device = pick_device("auto")
        dtype = torch.float32 if device.type == "cpu" else "auto"
        with readable(checkpoint):
            tokenizer = AutoTokenizer.from_pretrained(
                checkpoint.folder, padding_side="left", trust_remote_code=False
            )
            model = AutoModelForCausalLM.from_pretrained(
                checkpoint.folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
            )
        if not tokenizer.chat_template or tokenizer.eos_token_id is None:
            raise ModelError(
                f"{checkpoint.folder}: its tokenizer has no chat template with an end; "
                "give a model that is made to be talked to"
            )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return cls(checkpoint, tokenizer, model.to(device).eval())

    def ask(self, chats: Iterable[tuple[Key, Chat]]) -> Iterator[tuple[Key, Reply | Failure]]:
        """Answer chats, a batch at a time."""
        waiting = iter(chats)
        while batch := list(islice(waiting, BATCH)):
            try:
                texts = [self._text(chat) for _, chat in batch]
                replies = self._replies(texts, [chat.max_tokens for _, chat in batch])
            except RuntimeError as error:  # out of memory, mostly: the next batch may fit
                failure = Failure(f"{type(error).__name__}: {first_line(error)}")
                yield from ((key, failure) for key, _ in batch)
                continue
            yield from zip((key for key, _ in batch), replies, strict=True)

    def _text(self, chat: Chat) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                list(chat.messages), tokenize=False, add_generation_prompt=True
            )
        except TemplateError as error:
            raise ModelError(
                f"{self.checkpoint.folder}: its chat template refuses the message: "
                f"{first_line(error)}; give another judge"
            ) from error
        return str(text)

    def _replies(self, texts: Sequence[str], limits: Sequence[int]) -> list[Reply | Failure]:
        calls = list(zip(texts, limits, strict=True))
        new = [call for call in dict.fromkeys(calls) if call not in self._said]
        self._said.update({call: why for call in new if (why := self._too_long(*call))})
        for limit in sorted(set(limits)):
            new = [call for call in new if call not in self._said]
            texts = [text for text, most in new if most == limit]
            for text, reply in zip(texts, self._generate(texts, limit), strict=True):
                self._said[text, limit] = reply
        return [self._said[call] for call in calls]

    def _too_long(self, text: str, limit: int) -> Failure | None:
        """Say why a message cannot be answered: beyond its context a model says anything."""
        tokens = len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if self.context is None or tokens + limit <= self.context:
            return None
        return Failure(
            f"too long for the judge: {tokens:,} tokens to read and {limit:,} to write, its "
            f"context has {self.context:,}"
        )

    @torch.inference_mode()
    def _generate(self, texts: Sequence[str], limit: int) -> list[Reply]:
        if not texts:
            return []
        # The template has written the special tokens already.
        inputs = self.tokenizer(
            list(texts), return_tensors="pt", padding=True, add_special_tokens=False
        ).to(self.model.device)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        settings = GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=limit,
            eos_token_id=self.ends,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        # A checkpoint's own generation settings (temperature, penalties) must not leak in.
        self.model.generation_config = settings
        out = self.model.generate(input_ids=ids, attention_mask=mask)[:, ids.shape[1] :]
        return [
            self._reply(new, int(own.sum())) for new, own in zip(out.tolist(), mask, strict=True)
        ]

    def _reply(self, new: list[int], prompt_tokens: int) -> Reply:
        place = next((i for i, token in enumerate(new) if token in self.ends), None)
        kept = new if place is None else new[:place]
        text = str(self.tokenizer.decode(kept, skip_special_tokens=True))
        finish, length = ("length", len(new)) if place is None else ("stop", place + 1)
        return Reply(text, finish, self.checkpoint.name, "", prompt_tokens, length)

    def identity(self) -> Json:
        """Return the judge's name, the digest of its weights, and that it is greedy."""
        return {
            "judge": self.checkpoint.name,
            "engine": "hf",
            "weights": self.checkpoint.digest,
            "decoding": f"greedy in {self._dtype()}",
        }

    def _dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    def environment(self) -> Json:
        """Return versions, device and batch size."""
        return {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "device": str(self.model.device),
            "batch_size": BATCH,
        }
