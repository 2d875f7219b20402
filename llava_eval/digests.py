"""Digests: short names for contents, so that two runs can be told apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llava_eval.retries import open_patiently

LENGTH = 16  # hex digits; 64 bits name a few thousand runs without a clash


def digest_of(value: Any) -> str:
    """Return the digest of a value that JSON can hold.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    return digest_of_parts([value])


def digest_of_parts(values: Iterable[Any]) -> str:
    """Return the digest of a sequence of values, one at a time: memory stays flat."""
    state = hashlib.sha256()
    for value in values:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        state.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return state.hexdigest()[:LENGTH]


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits.

    A file in the Hub's cache is a link to a blob; large ones are named by their own SHA-256,
    which spares reading 14 GB again.
    """
    blob = path.resolve().name
    if path.is_symlink() and len(blob) == 64 and set(blob) <= set("0123456789abcdef"):
        return blob
    with open_patiently(path) as file:
        state = hashlib.sha256()
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
