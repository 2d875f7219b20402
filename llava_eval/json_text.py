"""JSON text to values: what cannot be read is one line that says where."""

from __future__ import annotations

import json
from typing import Any

from llava_eval.errors import DataError, first_line


def parse_json(text: str, where: str, line: bool = False, **hooks: Any) -> Any:
    """Parse a JSON document.

    Args:
        text: The document.
        where: The file, for the error message; the line is added to it.
        line: Whether the text is a line, which `where` names already.
        **hooks: As `json.loads` takes them.

    Raises:
        DataError: It is not JSON, or not what Python can hold: a number of 5,000 digits, or
            thousands of brackets within each other.

    >>> parse_json('[1, {"a": null}]', "here")
    [1, {'a': None}]
    """
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        place = where if line else f"{where}:{error.lineno}"
        raise DataError(f"{place}: not valid JSON ({error.msg}); is the file complete?") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not readable JSON: {first_line(error)}") from error


def json_or_none(text: str, **hooks: Any) -> Any:
    """Parse JSON that may as well be another text; None if it is.

    >>> json_or_none("[1]"), json_or_none("yes, no")
    ([1], None)
    """
    try:
        return json.loads(text, **hooks)
    except (ValueError, RecursionError):
        return None
