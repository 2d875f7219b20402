"""YAML to records, strictly: an unknown, missing or doubled key or a wrong type is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from llava_eval.errors import CardError, brief, nearest, why
from llava_eval.retries import read_bytes

# What PyYAML raises, the last three for a value that its own tag (!!bool maybe) does not fit.
UNREADABLE = (yaml.YAMLError, ValueError, RecursionError, AttributeError, KeyError, TypeError)
MOST_CHARACTERS = 100_000  # which PyYAML takes a second for


def load_record(kind: type, path: Path) -> Any:
    """Load a YAML file as a data class.

    Args:
        kind: A data class whose fields are data classes, list[X], dict[K, V], X | None, or plain.
        path: Of a file whose keys are the fields of `kind`.

    Raises:
        CardError: The file cannot be read, is no YAML, or a key of it is unknown, missing,
            given twice or of the wrong type.
    """
    try:
        text = read_bytes(path).decode()
    except OSError as error:
        raise CardError(f"{path}: cannot be read: {why(error)}") from error
    except UnicodeDecodeError as error:
        raise CardError(f"{path}: cannot be read: {error}") from error
    if len(text) > MOST_CHARACTERS:
        raise CardError(f"{path}: {len(text):,} characters; a card has {MOST_CHARACTERS:,} at most")
    try:
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 (safe)
    except UNREADABLE as error:
        raise CardError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    return _build(kind, content, str(path))


class _UniqueKeys(yaml.SafeLoader):
    """A safe loader for which a key given twice is an error, not the last one's win.

    An alias (*name) is one too: ten lines of them stand for a billion values.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name): write the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        seen: set[Any] = set()
        for key in filter(_hashable, keys):  # PyYAML itself refuses the others
            if key in seen:
                raise yaml.YAMLError(f"key {key!r} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _hashable(key: Any) -> bool:
    return isinstance(key, Hashable)


def _build(kind: Any, value: Any, where: str) -> Any:
    """Turn parsed YAML into `kind`: a data class, list[X], dict[K, V] or a plain type."""
    if dataclasses.is_dataclass(kind):
        return _build_record(typing.cast(type, kind), value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # "X | None": a section that may be left out
        return _build(arguments[0], value, where)
    if origin is list:
        items = _expect(list, value, where)
        return [_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items)]
    if origin is dict:
        pairs = _expect(dict, value, where).items()
        return {
            _build(arguments[0], key, f"{where}: key {brief(key)}"): _build(
                arguments[1], item, f"{where}: {key}"
            )
            for key, item in pairs
        }
    return _expect(kind, value, where)


def _build_record(kind: type, value: Any, where: str) -> Any:
    content = _expect(dict, value, where)
    known = {item.name: item for item in dataclasses.fields(kind) if item.init}
    for key in content:
        if key not in known:
            raise CardError(f"{where}: unknown key {brief(key)}; {nearest(str(key), known)}")
    types_of = typing.get_type_hints(kind)
    return kind(**dict(_values(known, content, types_of, where)))


def _values(
    known: Mapping[str, dataclasses.Field[Any]],
    content: dict[Any, Any],
    types_of: dict[str, Any],
    where: str,
) -> Iterator[tuple[str, Any]]:
    for name, item in known.items():
        if name in content:
            yield name, _build(types_of[name], content[name], f"{where}: {name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise CardError(f"{where}: key {name!r} is missing; add it")


def _expect(kind: Any, value: Any, where: str) -> Any:
    """Return `value` if it is of exactly this type: True is no number here, but 1 is 1.0."""
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        wanted = kind.__name__ if isinstance(kind, type) else str(kind)
        got = "nothing" if isinstance(value, types.NoneType) else type(value).__name__
        advice = "; quote it" if wanted == "str" and value is not None else ""
        raise CardError(f"{where}: {brief(value)} is {got}, must be {wanted}{advice}")
    return value
