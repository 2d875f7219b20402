"""The fields of `run.json` and `result.json`: of which types they must be.

Both files are ours, but they are kept for years, copied, and mended by hand.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any

from llava_eval.errors import RunError, brief
from llava_eval.records import Result

WORDS = {NoneType: "null", dict: "an object", list: "a list"}
# Of run.json; what it shares with result.json (prompt, max_new_tokens, ...) is there as it is here.
SEALED = {"model": str, "weights": str, "source": str, "version": str}


def check_fields(content: Mapping[str, Any], where: str) -> None:
    """Check the types of the fields that are there.

    Args:
        content: Of a `result.json`, or of a part of a `run.json`.
        where: The file.

    Raises:
        RunError: A field that is known has a value of another type.
    """
    for name, kind in (_hints(Result) | SEALED).items():
        if name in content:
            _check(kind, content[name], where, name)
    prompt = content.get("prompt", {})
    for name, kind in (("lines", list[str]), ("question", str)):
        if name in prompt:
            _check(kind, prompt[name], f"{where}: prompt", name)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a record's fields; Python parses their text each time it is asked."""
    return typing.get_type_hints(kind)


def _check(kind: Any, value: Any, where: str, name: str) -> None:
    kinds = typing.get_args(kind) if isinstance(kind, UnionType) else (kind,)
    kind = next((each for each in kinds if _fits(each, value)), None)
    if kind is None:
        wanted = " or ".join(map(_word, kinds))
        raise RunError(f"{where}: {name} is {brief(value)}, must be {wanted}")
    if kind is float and not math.isfinite(value):
        raise RunError(f"{where}: {name} is {value}, must be a finite number")
    for key, item in value.items() if isinstance(value, dict) else ():
        inner = _inner(kind, key)
        if inner is not None:
            _check(inner, item, f"{where}: {name}", str(key))


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value read from JSON is of a type, what it holds aside."""
    if kind is Any:
        return True
    if typing.get_origin(kind) is list:
        return isinstance(value, list) and all(_fits(typing.get_args(kind)[0], v) for v in value)
    plain = dict if dataclasses.is_dataclass(kind) else typing.get_origin(kind) or kind
    return type(value) is plain or (plain is float and type(value) is int)


def _inner(kind: Any, key: str) -> Any:
    """Return the type of what stands under a key; None if anything may."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _hints(kind).get(key)
    return typing.get_args(kind)[1] if typing.get_origin(kind) is dict else None


def _word(kind: Any) -> str:
    if typing.get_origin(kind) is list:
        return "a list of texts"
    plain = dict if dataclasses.is_dataclass(kind) else typing.get_origin(kind) or kind
    return WORDS.get(plain, plain.__name__)
