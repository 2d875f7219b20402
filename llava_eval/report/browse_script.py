"""JSON as scripts that a page opened from a file may load, written as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from llava_eval.errors import RunError

AT_ONCE = 2000  # items that are turned into text in one go
# What would end a script or a line of it, were the text ever put into the page itself.
UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def json_for_script(value: Any) -> str:
    r"""Write JSON that stays data wherever in a page it stands.

    >>> json_for_script({"text": "</script>"})
    '{"text":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(UNSAFE)


def json_array(items: Iterable[Any]) -> Iterator[str]:
    """Write an array piece by piece, however long it is.

    >>> "".join(json_array([1, "a"]))
    '[1,"a"]'
    """
    waiting, begin = iter(items), "["
    while batch := list(islice(waiting, AT_ONCE)):
        yield begin + json_for_script(batch)[1:-1]
        begin = ","
    yield "[]" if begin == "[" else "]"


def write_script(path: Path, name: str, parts: Iterable[str]) -> int:
    """Write `llavaEval.put(name, ...)` and return its size in bytes.

    Args:
        path: Of the file; what is there under this name is removed.
        name: What the page asks for.
        parts: The pieces of the JSON.

    Raises:
        RunError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        # Half a surrogate pair, which UTF-8 lacks, becomes the escape that it is in JSON.
        with path.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(f"llavaEval.put({json_for_script(name)},")
            file.writelines(parts)
            file.write(");\n")
        return path.stat().st_size
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}") from error
