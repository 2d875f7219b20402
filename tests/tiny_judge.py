"""A random-weight text model with a chat template: a judge that says a grade now and then."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from llava_eval.bench.models import BYTES, SPECIAL, tokenizer_of

SAID = ["8▁7", "9▁4", "0.5", "1.0", "Good", "\n"]
PIECES = [*SPECIAL, *BYTES, "▁", *string.ascii_letters, *string.digits, *".,:?'", *SAID]
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def make_judge(folder: Path, seed: int = 9) -> Path:
    """Save model and tokenizer; of all tokens it says only `SAID` and the end."""
    pieces = list(dict.fromkeys(PIECES))
    tokenizer = tokenizer_of(pieces, [])
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            vocab_size=len(tokenizer),
            max_position_embeddings=4096,
            initializer_range=0.3,  # large, so that the noise differs from prompt to prompt
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    said = [*tokenizer.convert_tokens_to_ids(SAID), 2]
    with torch.no_grad():
        kept = torch.zeros(len(tokenizer), 1)
        kept[said] = 1
        model.lm_head.weight *= kept
        model.lm_head.weight[2] *= 2.5  # an end comes soon enough
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
