"""lmms-eval's own LLaVA class, answering what it is sent: run by `peer_process` as a program.

It runs under an interpreter of its own, whose packages may be of other versions, so it imports
nothing of this project:

    python -I peer.py MODEL_FOLDER

First it writes a line of JSON with its versions. Then for each line of requests that it reads
it writes one with the answers and what they took: seconds of the processor and of the clock.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any, TextIO

import torch
from PIL import Image

CLASS = ("lmms_eval.models.simple.llava_hf", "LlavaHf")
TASK, SPLIT = "bench", "test"
PACKAGES = ("lmms_eval", "transformers", "torch")


def main() -> None:
    """Load the model, then answer line by line until there are no more."""
    replies = _only_replies_on_stdout()
    torch.set_num_threads(1)
    peer = _load(sys.argv[1])
    _write(replies, {name: version(name) for name in PACKAGES})
    for line in sys.stdin:
        _write(replies, _timed(peer, json.loads(line)))


def _only_replies_on_stdout() -> TextIO:
    """Return what was standard output, and send there to standard error whatever else comes."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _load(folder: str) -> Any:
    module, name = CLASS
    peer_class = getattr(importlib.import_module(module), name)
    return peer_class(
        pretrained=folder,
        device="cpu",
        device_map="cpu",  # its default, "", is no device to transformers 5
        dtype="float32",
        batch_size=1,
        attn_implementation="sdpa",
    )


def _timed(peer: Any, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer requests as a run of lmms-eval does: greedy, one after the other."""
    peer.task_dict[TASK] = {SPLIT: requests}
    instances = [_instance(number, request) for number, request in enumerate(requests)]
    cpu, wall = process_time(), perf_counter()
    answers = peer.generate_until(instances)
    return {"cpu": process_time() - cpu, "wall": perf_counter() - wall, "answers": answers}


def _instance(number: int, request: dict[str, Any]) -> Any:
    instance = importlib.import_module("lmms_eval.api.instance").Instance
    settings = {"max_new_tokens": request["max_new_tokens"], "temperature": 0, "num_beams": 1}
    return instance(
        request_type="generate_until",
        arguments=(request["text"], settings, _pictures, number, TASK, SPLIT),
        idx=0,
        metadata={"task": TASK, "doc_id": number, "repeats": 1},
    )


def _pictures(request: dict[str, Any]) -> list[Image.Image]:
    """Decode the pictures of a request, as the tasks of lmms-eval do for each question."""
    return [Image.open(path).convert("RGB") for path in request["images"]]


def _write(replies: TextIO, reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
