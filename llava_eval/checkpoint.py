"""Checkpoints on disk: find, refuse what is unsafe, fingerprint. Needs no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_eval.digests import digest_of, digest_of_file
from llava_eval.errors import ModelError, first_line
from llava_eval.resources import resource

DEMO = "demo"
PICKLES = ("*.bin", "*.pt", "*.pth")
# What a model's answers depend on, besides the weights.
TEXT_FILES = ("*.json", "*.model", "*.jinja", "*.txt")
CODE = "*.py"


@dataclass(frozen=True)
class Checkpoint:
    """A local folder that is safe to load.

    Attributes:
        name: As the user gave it.
        folder: Where it is.
        revision: The Hub's commit, "" for a local folder.
        digest: Of weights, configuration and tokenizer.
        config: Content of `config.json`.
    """

    name: str
    folder: Path
    revision: str
    digest: str
    config: dict[str, Any]


def find_checkpoint(
    model: str,
    revision: str | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
) -> Checkpoint:
    """Find a checkpoint and refuse it if loading it could run somebody's code.

    Args:
        model: "demo", a local folder, or "owner/name" on the Hub.
        revision: Branch, tag or commit on the Hub.
        allow_pickle: Accept weights that are not safetensors.
        trust_remote_code: Accept a checkpoint that brings Python code.

    Raises:
        ModelError: It does not exist, is no LLaVA model, or is unsafe.
    """
    folder, commit, config = _find(model, revision, allow_pickle, trust_remote_code)
    if config.get("model_type") != "llava":
        raise ModelError(
            f"{folder}: model_type is {config.get('model_type')!r}, must be 'llava': checkpoints "
            "of LlavaForConditionalGeneration, such as llava-hf/llava-1.5-7b-hf"
        )
    for part in ("text_config", "vision_config"):
        if not isinstance(config.get(part), dict):  # transformers would build a 7B model for it
            raise ModelError(f"{folder / 'config.json'}: no {part}; is the file complete?")
    if not trust_remote_code:
        _refuse_remote_code(folder)
    weights = _weight_files(folder, allow_pickle)
    return Checkpoint(model, folder, commit, _digest(folder, weights), config)


def find_text_checkpoint(model: str) -> Checkpoint:
    """Find a text model, such as a judge, and refuse it if loading it could run somebody's code.

    Args:
        model: A local folder, or "owner/name" on the Hub.

    Raises:
        ModelError: It does not exist or is unsafe.
    """
    folder, commit, config = _find(model, None)
    _refuse_remote_code(folder)
    return Checkpoint(model, folder, commit, _digest(folder, _weight_files(folder, False)), config)


def _find(
    model: str, revision: str | None, allow_pickle: bool = False, trust_remote_code: bool = False
) -> tuple[Path, str, dict[str, Any]]:
    """Return a checkpoint's folder, its commit on the Hub and its configuration."""
    wanted = ["*.safetensors", *TEXT_FILES]
    wanted += [*(PICKLES if allow_pickle else ()), *([CODE] if trust_remote_code else ())]
    folder, commit = _locate(model, revision, wanted)
    return folder, commit, _read_config(folder)


def _locate(model: str, revision: str | None, wanted: list[str]) -> tuple[Path, str]:
    if model == DEMO:
        return resource("llava_eval/demo/checkpoint"), ""
    path = Path(model).expanduser()
    if path.is_dir():
        return path, ""
    if model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise ModelError(
            f"{model}: no such folder; give 'demo', a folder, or a Hub model 'owner/name'"
        )
    return _download(model, revision, wanted)


def _download(model: str, revision: str | None, wanted: list[str]) -> tuple[Path, str]:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(
            huggingface_hub.snapshot_download(model, revision=revision, allow_patterns=wanted)
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(f"{model}: cannot be had from the Hub: {first_line(error)}") from error
    return folder, folder.name


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{folder / 'config.json'}: must hold an object like {{...}}")
    return content


def _refuse_remote_code(folder: Path) -> None:
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith("config.json") and b'"auto_map"' in path.read_bytes():
            raise ModelError(
                f"{path}: brings its own Python code (auto_map), which is not run; "
                "if you trust its author, say --trust-remote-code"
            )


def _weight_files(folder: Path, allow_pickle: bool) -> list[Path]:
    safe = sorted(folder.glob("*.safetensors"))
    if safe:
        return safe
    pickles = sorted(path for pattern in PICKLES for path in folder.glob(pattern))
    if pickles and allow_pickle:
        return pickles
    if pickles:
        raise ModelError(
            f"{pickles[0]}: pickled weights can run code when loaded; convert them to "
            "safetensors, or say --allow-pickle if you trust their author"
        )
    raise ModelError(f"{folder}: holds no *.safetensors")


def _digest(folder: Path, weights: list[Path]) -> str:
    texts = [path for pattern in (*TEXT_FILES, CODE) for path in folder.glob(pattern)]
    return digest_of({path.name: digest_of_file(path) for path in [*weights, *texts]})
