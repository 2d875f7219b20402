"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Sequence

from llava_eval.records import Estimate

MOST_CHARACTERS = 2000  # of a line about somebody's text, which may be a hundred megabytes


def printable(text: str) -> str:
    r"""Show what a terminal would obey as what it is: escapes, newlines, changes of direction.

    >>> printable("\x1b[31mred\n")
    '\\x1b[31mred\\n'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def shown(text: str) -> str:
    r"""Do the same with a text of several lines, which stay lines.

    >>> shown("a\r\nb")
    'a\\r\nb'
    """
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: str) -> str:
    """Show a text as one line that nobody has to scroll through: its beginning and its end.

    >>> len(one_line("x" * 1_000_000))
    2000
    """
    if len(text) > MOST_CHARACTERS:
        half = MOST_CHARACTERS // 2
        text = f"{text[: half - 2]} ... {text[len(text) - half + 3 :]}"
    return printable(text)


def show(estimate: Estimate) -> str:
    """Write a figure with one decimal and its interval.

    >>> show(Estimate(85.947, 84.9, 86.95, 8910))
    '85.9 [84.9, 87.0]'
    >>> show(Estimate(None, None, None, 10))
    'undefined'
    """
    if estimate.value is None:
        return "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.1f}"
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def show_short(estimate: Estimate) -> str:
    """Write a figure with the larger side of its interval, for tables of many columns.

    >>> show_short(Estimate(85.947, 84.9, 86.95, 8910))
    '85.9 ±1.0'
    >>> show_short(Estimate(95.2, 93.3, 100.0, 324))
    '95.2 ±4.8'
    >>> show_short(Estimate(None, None, None, 0))
    'none'
    """
    if estimate.value is None:
        return "none"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.1f}"
    side = max(estimate.high - estimate.value, estimate.value - estimate.low)
    return f"{estimate.value:.1f} ±{side:.1f}"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows in columns; the first row is the heading, the first column text.

    >>> print(text_table([["model", "pope"], ["a", "85.9"]]))
    model  pope
    a      85.9
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown_table(rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    r"""Write rows as a Markdown table; the first row is the heading.

    Args:
        rows: All of one length.
        numbers: Whether all but the first column hold numbers, which stand to the right.

    >>> print(markdown_table([["model", "pope"], ["a|b", "85.9"]]))
    | model | pope |
    |---|---:|
    | a\|b | 85.9 |
    """
    ruler = "|---|" + ("---:|" if numbers else "---|") * (len(rows[0]) - 1)
    rows = [[printable(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], ruler, *lines[1:]])
