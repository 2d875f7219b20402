"""Checkpoints on disk: find, refuse what is unsafe, fingerprint. Needs no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from llava_eval.digests import digest_of, digest_of_file
from llava_eval.errors import ModelError, brief, first_line, why
from llava_eval.hub import hub_fault, hub_reason
from llava_eval.paths import FOLDER, files_in, kind_of
from llava_eval.resources import resource
from llava_eval.retries import patiently, read_bytes

DEMO = "demo"
MOST_OF_A_NAME = 300  # characters, in an error message
PICKLES = ("*.bin", "*.pt", "*.pth")
# What a model's answers depend on, besides the weights.
TEXT_FILES = ("*.json", "*.model", "*.jinja", "*.txt")
CODE = "*.py"
# With these a config.json sends transformers to other files than those that are checked here.
ELSEWHERE = ("configuration_files", "transformers_weights")


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
            f"{folder}: model_type is {brief(config.get('model_type'))}, must be 'llava': "
            "checkpoints of LlavaForConditionalGeneration, such as llava-hf/llava-1.5-7b-hf"
        )
    for part in ("text_config", "vision_config"):
        if not isinstance(config.get(part), dict):  # transformers would build a 7B model for it
            raise ModelError(f"{folder / 'config.json'}: no {part}; is the file complete?")
    _refuse_other_places(folder, config)
    if not trust_remote_code:
        _refuse_remote_code(folder)
    weights = _weight_files(folder, allow_pickle)
    _check_shards(folder, weights)
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
    path = os.path.expanduser(model)
    if kind_of(Path(path), ModelError) == FOLDER:
        return Path(path), ""
    if model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise ModelError(
            f"{model[:MOST_OF_A_NAME]}: no such folder; give 'demo', a folder, or a Hub "
            "model 'owner/name'"
        )
    return _download(model, revision, wanted)


def _download(model: str, revision: str | None, wanted: list[str]) -> tuple[Path, str]:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        download = partial(
            huggingface_hub.snapshot_download, model, revision=revision, allow_patterns=wanted
        )
        folder = Path(patiently(download, hub_fault))
    except HFValidationError as error:
        raise ModelError(
            f"{model[:MOST_OF_A_NAME]}: no such folder, and no name that a Hub model can have"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{model}: cannot be had from the Hub: {hub_reason(error)}, or give a local folder"
        ) from error
    return folder, folder.name


def _read_config(folder: Path) -> dict[str, Any]:
    return _read_object(folder / "config.json")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(path).decode())
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {why(error)}; is it complete?") from error
    except (ValueError, RecursionError) as error:
        reason = first_line(error)
        raise ModelError(f"{path}: cannot be read: {reason}; is the file complete?") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path}: must hold an object like {{...}}")
    return content


def _refuse_other_places(folder: Path, config: dict[str, Any]) -> None:
    """Refuse what makes transformers load other files than those in the digest."""
    for key in ELSEWHERE:
        if key in config:
            raise ModelError(f"{folder / 'config.json'}: {key} names other files; take it out")
    adapter = folder / "adapter_config.json"
    # It would be loaded on top of the weights, but only where peft is installed.
    if kind_of(adapter, ModelError):
        raise ModelError(f"{adapter}: an adapter beside a model; merge it, or move it away")


def _refuse_remote_code(folder: Path) -> None:
    for path in files_in(folder, "*config*.json", ModelError):
        if _has_key("auto_map", _read_object(path)):
            raise ModelError(
                f"{path}: brings its own Python code (auto_map), which is not run; "
                "if you trust its author, say --trust-remote-code"
            )


def _has_key(key: str, value: Any) -> bool:
    """Look for a key at any depth; parsed, since JSON can write a letter in two ways."""
    left = [value]  # no recursion: JSON may be nested deeper than Python calls
    while left:
        item = left.pop()
        if isinstance(item, dict):
            if key in item:
                return True
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
    return False


def _weight_files(folder: Path, allow_pickle: bool) -> list[Path]:
    safe = files_in(folder, "*.safetensors", ModelError)
    if safe:
        return safe
    pickles = sorted(_files(folder, PICKLES))
    if pickles and allow_pickle:
        return pickles
    if pickles:
        raise ModelError(
            f"{pickles[0]}: pickled weights can run code when loaded; convert them to "
            "safetensors, or say --allow-pickle if you trust their author"
        )
    raise ModelError(f"{folder}: holds no *.safetensors; is it complete?")


def _check_shards(folder: Path, weights: list[Path]) -> None:
    """Check that an index of shards names the weights beside it, and nothing else."""
    known = {path.name for path in weights}
    for path in files_in(folder, "*.index.json", ModelError):
        if path.name.removesuffix(".index.json").rpartition(".")[2] not in _kinds(weights):
            continue  # the index of the other kind, which is not loaded
        shards = _read_object(path).get("weight_map")
        if not isinstance(shards, dict):
            raise ModelError(f"{path}: no weight_map; is the file complete?")
        for name in shards.values():
            if not isinstance(name, str) or name not in known:
                raise ModelError(
                    f"{path}: names {brief(name)}, which is not among the weights beside it"
                )


def _kinds(weights: list[Path]) -> set[str]:
    return {path.suffix.removeprefix(".") for path in weights}


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in files_in(folder, pattern, ModelError)]


def check_readable(checkpoint: Checkpoint) -> None:
    """Name the file that cannot be read, which libraries do not; weights are mapped, not read.

    Raises:
        ModelError: There is one.
    """
    for path in _files(checkpoint.folder, TEXT_FILES):
        _digest_of_file(path)


def _digest_of_file(path: Path) -> str:
    try:
        return digest_of_file(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {why(error)}; is it complete?") from error


def _digest(folder: Path, weights: list[Path]) -> str:
    texts = _files(folder, (*TEXT_FILES, CODE))
    return digest_of({path.name: _digest_of_file(path) for path in [*weights, *texts]})
