"""Checkpoints: weights missing or broken, a configuration of something else, no image token."""

from __future__ import annotations

import atexit
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.bad_input.case import Case, both, hub_rows, lines, run, write
from tests.tiny import make_checkpoint

ROWS = write("rows.jsonl", lines(hub_rows("pope")))
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
PROCESSOR = "processor_config.json"


@cache
def good_checkpoint() -> Path:
    """Make one small checkpoint for all cases, which is removed when Python ends."""
    folder = mkdtemp(prefix="llava-eval-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_checkpoint(Path(folder))


def _spoiled(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        ROWS(folder)
        change(Path(shutil.copytree(good_checkpoint(), folder / "model")))

    return spoil


def _case(
    name: str, change: Callable[[Path], object], where: str, what: str, say: str = ""
) -> Case:
    return Case(f"checkpoint: {name}", run(), _spoiled(change), where, what, say)


def _set(name: str, *keys: str, **values: Any) -> Callable[[Path], object]:
    """Change values in a JSON file, below some keys."""

    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        part = content
        for key in keys:
            part = part[key]
        part.update(values)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    return change


def _drop(name: str, *keys: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        for key in keys:
            content.pop(key)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")

    return change


def _gone(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _cut(name: str, keep: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:keep])


def _weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    return spoil


def _smaller(weights: dict[str, torch.Tensor]) -> None:
    name = sorted(weights)[-1]
    weights[name] = weights[name][:-1].clone()


def _no_image_token(folder: Path) -> None:
    """Take the image token out of the vocabulary, and all that names it."""
    path = folder / TOKENIZER
    path.write_text(path.read_text(encoding="utf-8").replace("<image>", "<picture>"), "utf-8")
    for name in ("tokenizer_config.json", PROCESSOR):
        if (folder / name).exists():
            text = (folder / name).read_text(encoding="utf-8").replace("<image>", "<picture>")
            (folder / name).write_text(text, encoding="utf-8")
    _set("processor_config.json", image_token="<image>")(folder)


def _header(**parts: Any) -> Callable[[Path], object]:
    """Put other values into the first entry of the safetensors header."""

    def change(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        name = next(key for key in header if key != "__metadata__")
        header[name].update(parts)
        text = json.dumps(header).encode()
        start = len(text).to_bytes(8, "little") + text
        (folder / WEIGHTS).write_bytes(start + data[8 + size :])

    return change


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


LOADED = "cannot be loaded"

CASES = [
    Case(
        "checkpoint: an empty folder",
        run(),
        both(ROWS, lambda d: (d / "model").mkdir()),
        "config.json",
        "cannot be read",
    ),
    Case(
        "checkpoint: a file",
        run(model="{d}/rows.jsonl"),
        ROWS,
        "rows.jsonl",
        "no such folder",
        "give 'demo', a folder",
    ),
    Case(
        "checkpoint: a name of 5,000 letters", run(model="a" * 5000), ROWS, "aaa", "no such folder"
    ),
    _case("no weights", _gone(WEIGHTS), "model", "holds no *.safetensors"),
    _case("weights of no bytes", _cut(WEIGHTS, 0), "model", LOADED),
    _case("weights of seven bytes", _cut(WEIGHTS, 7), "model", LOADED),
    _case("weights cut in the header", _cut(WEIGHTS, 1000), "model", LOADED),
    _case("weights cut in the tensors", _cut(WEIGHTS, 100_000), "model", LOADED),
    _case("weights that are a web page", write(WEIGHTS, "<html>" + " " * 999), "model", LOADED),
    _case(
        "weights that git has not fetched",
        write(WEIGHTS, "version https://git-lfs"),
        "model",
        LOADED,
    ),
    _case(
        "a header of 10^18 bytes", write(WEIGHTS, b"\xff" * 7 + b"\x0d" + b"{}"), "model", LOADED
    ),
    _case(
        "a header of brackets",
        write(WEIGHTS, (99_999).to_bytes(8, "little") + b"[" * 99_999),
        "model",
        LOADED,
    ),
    _case("a tensor of no known type", _header(dtype="F99"), "model", LOADED),
    _case("a tensor of another shape", _header(shape=[3, 3]), "model", LOADED),
    _case("a tensor behind the end", _header(data_offsets=[0, 10**12]), "model", LOADED),
    _case("a tensor too small", _weights(_smaller), "model", "mismatched keys"),
    _case(
        "a tensor too few",
        _weights(lambda w: w.pop(sorted(w)[0])),
        "model",
        "1 missing keys in the weights",
    ),
    _case(
        "a tensor too many",
        _weights(lambda w: w.update(more=torch.ones(1))),
        "model",
        "1 unexpected keys in the weights",
    ),
    _case(
        "pickled weights",
        _pickled,
        "pytorch_model.bin",
        "can run code when loaded",
        "convert them to safetensors",
    ),
    _case(
        "an index without its shards",
        both(
            _gone(WEIGHTS),
            write("model-00001-of-00002.safetensors", b""),
            write("model.safetensors.index.json", '{"weight_map": {"a": "b.safetensors"}}'),
        ),
        "model.safetensors.index.json",
        "names 'b.safetensors'",
    ),
    _case(
        "a broken index", write("model.safetensors.index.json", "{"), "index.json", "cannot be read"
    ),
    _case("no configuration", _gone(CONFIG), "config.json", "cannot be read"),
    _case("a configuration cut short", _cut(CONFIG, 50), "config.json", "cannot be read"),
    _case(
        "a configuration in UTF-16",
        write(CONFIG, "{}".encode("utf-16")),
        "config.json",
        "cannot be read",
    ),
    _case(
        "a configuration that is a list",
        write(CONFIG, "[]"),
        "config.json",
        "must hold an object like {...}",
    ),
    _case(
        "a configuration of 100,000 brackets",
        write(CONFIG, "[" * 100_000),
        "config.json",
        "cannot be read",
    ),
    _case(
        "a language model",
        _set(CONFIG, model_type="llama"),
        "model",
        "model_type is 'llama', must be 'llava'",
        "such as llava-hf/llava-1.5-7b-hf",
    ),
    _case("LLaVA-NeXT", _set(CONFIG, model_type="llava_next"), "model", "is 'llava_next', must be"),
    _case("LLaVA's own format", _set(CONFIG, model_type="llava_llama"), "model", "'llava_llama'"),
    _case("no model type", _drop(CONFIG, "model_type"), "model", "model_type is None"),
    _case("a model type that is a list", _set(CONFIG, model_type=["llava"]), "model", "must be"),
    _case("no text model", _drop(CONFIG, "text_config"), "config.json", "no text_config"),
    _case("no vision model", _drop(CONFIG, "vision_config"), "config.json", "no vision_config"),
    _case(
        "a text model of no known kind",
        _set(CONFIG, "text_config", model_type="nothing"),
        "model",
        "no family speaks to a 'nothing'",
        "--family",
    ),
    _case(
        "a text model whose kind is a list",
        _set(CONFIG, "text_config", model_type=["llama"]),
        "model",
        "no family speaks to a ['llama']",
    ),
    _case(
        "a vision model of no known kind",
        _set(CONFIG, "vision_config", model_type="nothing"),
        "model",
        LOADED,
    ),
    _case(
        "patches of no size",
        _set(CONFIG, "vision_config", patch_size=0),
        "model",
        "patch_size is 0",
    ),
    _case(
        "patches of a size in words",
        _set(CONFIG, "vision_config", patch_size="14"),
        "model",
        "expected int, got str",
    ),
    _case(
        "negative layers",
        _set(CONFIG, "vision_config", num_hidden_layers=-1),
        "model",
        "num_hidden_layers is -1",
    ),
    _case(
        "768 gigabytes of vocabulary",
        _set(CONFIG, "text_config", vocab_size=4 * 10**9),
        "model",
        "bytes of weights cannot hold",
        "is it complete?",
    ),
    _case(
        "a million layers of text",
        _set(CONFIG, "text_config", num_hidden_layers=10**6),
        "model",
        "num_hidden_layers is 1000000",
        "mend",
    ),
    _case(
        "a million layers of vision",
        _set(CONFIG, "vision_config", num_hidden_layers=10**6),
        "model",
        "num_hidden_layers is 1000000",
        "mend",
    ),
    _case(
        "a vision model without patches",
        _set(CONFIG, vision_config={"model_type": "resnet"}),
        "model",
        "patch_size is None",
        "mend",
    ),
    _case("a hidden size in words", _set(CONFIG, "text_config", hidden_size="48"), "model", LOADED),
    _case(
        "heads that do not divide",
        _set(CONFIG, "text_config", num_attention_heads=5),
        "model",
        "not a multiple",
    ),
    _case(
        "another hidden size", _set(CONFIG, "text_config", hidden_size=64), "model", "mismatched"
    ),
    _case(
        "another vocabulary", _set(CONFIG, "text_config", vocab_size=9), "model", "cannot be loaded"
    ),
    _case(
        "a vision layer that is not there",
        _set(CONFIG, vision_feature_layer=-9),
        "model",
        "disagree on the vision layer",
        "mend",
    ),
    _case(
        "a vision layer in words",
        _set(CONFIG, vision_feature_layer="last"),
        "model",
        "expected int, got str",
    ),
    _case(
        "two vision layers",
        _set(CONFIG, vision_feature_layer=[-2, -1]),
        "model",
        "vision_feature_layer is [-2, -1]",
    ),
    _case(
        "another image token",
        _set(CONFIG, image_token_index=5),
        "model",
        "disagree on the image token",
        "mend",
    ),
    _case(
        "code of its own",
        _set(CONFIG, auto_map={"AutoModel": "x.Y"}),
        "config.json",
        "auto_map",
        "--trust-remote-code",
    ),
    _case("no tokenizer", _gone(TOKENIZER), "model", LOADED),
    _case("a tokenizer cut short", _cut(TOKENIZER, 500), "model", LOADED),
    _case("a tokenizer that is a list", write(TOKENIZER, "[]"), "model", LOADED),
    _case("a tokenizer of no model", _set(TOKENIZER, model={}), "model", LOADED),
    _case(
        "a tokenizer without the image token",
        _no_image_token,
        "model",
        "the tokenizer has no image token '<image>'",
        "from one checkpoint",
    ),
    _case(
        "a tokenizer's settings cut short",
        _cut("tokenizer_config.json", 9),
        "tokenizer_config",
        "cannot be read",
    ),
    _case(
        "no processor", _gone(PROCESSOR), "model", "cannot be loaded: Can't load image processor"
    ),
    _case("a processor cut short", _cut(PROCESSOR, 30), "processor_config", "cannot be read"),
    _case(
        "a processor of another patch size",
        _set(PROCESSOR, patch_size=28),
        "model",
        "disagree on the patch size: 28 against 14",
        "mend",
    ),
    _case(
        "a processor without a crop",
        _set(PROCESSOR, "image_processor", crop_size=None),
        "model",
        "crop_size is None",
    ),
    _case(
        "a crop in words",
        _set(PROCESSOR, "image_processor", crop_size="big"),
        "model",
        "cannot be loaded",
    ),
    _case(
        "a size in words",
        _set(PROCESSOR, "image_processor", size={"shortest_edge": "big"}),
        "model",
        "disagree on the size before the crop: 'big' against",
        "mend",
    ),
    _case(
        "an image token more, in words",
        _set(PROCESSOR, num_additional_image_tokens="one"),
        "model",
        "num_additional_image_tokens is 'one'",
        "mend",
    ),
    _case(
        "pixels that are not normalised",
        _set(PROCESSOR, "image_processor", do_normalize=False),
        "model",
        "disagree on the normalising: False against True",
        "mend",
    ),
    _case(
        "settings of generation cut short",
        _cut("generation_config.json", 9),
        "generation_config.json",
        "cannot be read",
    ),
    _case(
        "an end of the answer in words",
        _set("generation_config.json", eos_token_id="</s>"),
        "model",
        "eos_token_id is '</s>', must be a number",
    ),
    _case(
        "an adapter",
        write("adapter_config.json", "{}"),
        "adapter_config.json",
        "an adapter beside a model",
        "merge it",
    ),
]
