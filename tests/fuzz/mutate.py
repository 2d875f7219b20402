"""Mutations that leave a file's syntax whole: one value of another type, one key lost or renamed.

libFuzzer's own mutations rarely get past a parser of JSON; these begin behind it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**31, 10**6, float("nan"), float("-inf"), 10**30),
    *("", "x", "nan", "None", "9" * 5000, "-0", "\0", "\ud800", "٣", "../../x", "a\tb\n", "{x}"),
    *([], {}, [None], [[]], ["a"] * 3, {"a": 1}, {"": None}, list(range(40))),
)
Change = Callable[[bytes, random.Random], bytes]
MOST_KEYS = 40  # of an object: a vocabulary has more, all alike
DEEP = 600  # lists within each other: JSON reads them, and code that calls itself may not
# What the change of a file of another kind raises.
OTHER_KIND = (ValueError, yaml.YAMLError, RecursionError, TypeError, AttributeError, KeyError)


def mutate(data: bytes, seed: int, plain: Callable[[bytes], bytes], most: int) -> bytes:
    """Return other bytes, about as good as these.

    Args:
        data: Up to two bytes that choose, and a file.
        seed: Of everything that is drawn.
        plain: libFuzzer's own mutation of bytes.
        most: Longest result.
    """
    rng = random.Random(seed)
    for change in rng.sample(CHANGES, len(CHANGES)):
        if change is None:
            break
        skip = rng.randrange(3)
        try:
            content = change(data[skip:], rng)
        except OTHER_KIND:
            continue
        if content and skip + len(content) <= most:
            return data[:skip] + content
    return plain(data)


def one_by_one(data: bytes, values: Sequence[Any]) -> Iterator[bytes]:
    """Change one value after the other of a JSON file, or of its first line.

    Args:
        data: One byte that chooses, and a file; of any other kind of file nothing comes.
        values: What each value becomes in turn; each key is lost once, too.
    """
    head, text = data[:1], data[1:].decode("utf-8", "replace")
    first, end, rest = text.partition("\n")
    for part, others in ((text, ""), (first, end + rest)):
        try:
            content = json.loads(part)
        except ValueError:
            continue
        for changed in _each_changed(content, values):
            yield head + (json.dumps(changed) + others).encode()
        return


def _each_changed(value: Any, values: Sequence[Any]) -> Iterator[Any]:
    yield from values
    if isinstance(value, dict):
        for key in list(value)[:MOST_KEYS]:
            yield {name: item for name, item in value.items() if name != key}
            for changed in _each_changed(value[key], values):
                yield value | {key: changed}
    elif isinstance(value, list) and value:
        for changed in _each_changed(value[0], values):
            yield [changed, *value[1:]]


def _of_text(change: Callable[[str, random.Random], str]) -> Change:
    return lambda data, rng: change(data.decode(), rng).encode("utf-8", "surrogatepass")


def _weights(data: bytes, rng: random.Random) -> bytes:
    """Change the header of a safetensors file: eight bytes of length, JSON, tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = _json(data[8:end].decode(), rng).encode()
    return len(header).to_bytes(8, "little") + header + data[end:]


def _json(text: str, rng: random.Random) -> str:
    return json.dumps(_changed(json.loads(text), rng))


def _lines(text: str, rng: random.Random) -> str:
    lines = text.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = _json(lines[place], rng)
    return "\n".join(lines)


def _yaml(text: str, rng: random.Random) -> str:
    if text.startswith(("{", "[")):  # JSON is YAML too, and has a change of its own
        return ""
    content = yaml.safe_load(text)
    if not isinstance(content, dict):
        return ""
    return yaml.safe_dump(_changed(content, rng), allow_unicode=True)


def _table(text: str, rng: random.Random) -> str:
    rows = [line.split("\t") for line in text.split("\n")]
    row = rng.choice(rows)
    if len(row) > 1:
        value = rng.choice(ODD)
        row[rng.randrange(len(row))] = value if isinstance(value, str) else json.dumps(value)
    return "\n".join("\t".join(row) for row in rows) if len(rows[0]) > 1 else ""


def _changed(value: Any, rng: random.Random) -> Any:
    """Replace one value somewhere within, or lose, double or rename one key."""
    if rng.random() < 0.01:
        for _ in range(DEEP):
            value = [value]
        return value
    if not isinstance(value, dict | list) or not value or rng.random() < 0.2:
        return rng.choice(ODD)
    if isinstance(value, list):
        place = rng.randrange(len(value))
        return [*value[:place], _changed(value[place], rng), *value[place + rng.randrange(3) :]]
    key = rng.choice(list(value))
    kept = {name: item for name, item in value.items() if name != key}
    kind = rng.random()
    if kind < 0.1:
        return kept
    return kept | {(key if kind < 0.9 else f"{key}s"): _changed(value[key], rng)}


# None is libFuzzer's own mutation.
CHANGES: list[Change | None] = [
    *(None, None, _weights, _of_text(_json), _of_text(_lines), _of_text(_yaml), _of_text(_table))
]
