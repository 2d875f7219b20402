"""Names of models, folders and tasks are other people's text: harmless in every format."""

from __future__ import annotations

import html
import re

from llava_eval.tables import printable

# Characters that mean something to Markdown, in GitHub's dialect too, or to HTML within it. A bar
# ends a cell whatever stands before it in some readers, so it is never there at all.
MARKDOWN = {c: f"&#{ord(c)};" for c in "\\|<>&"} | {c: f"\\{c}" for c in "`*_~"}
LINK = re.compile(r"\](?=[(:\[])")
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # the sign itself is not in LaTeX's default fonts
    # A row that began with one of these would be read as an argument of the \\ before it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "–": "--",
}
FORMULA = ("=", "+", "-", "@")


def for_markdown(text: str) -> str:
    """Write text that stands for itself in a Markdown table.

    >>> for_markdown("a|b <script>")
    'a&#124;b &#60;script&#62;'
    """
    return LINK.sub("&#93;", "".join(MARKDOWN.get(c, c) for c in printable(text)))


def for_html(text: str) -> str:
    """Write text that stands for itself in HTML, attributes included."""
    return html.escape(printable(text))


def for_latex(text: str) -> str:
    r"""Write text that stands for itself in LaTeX, whatever its encoding.

    A character that plain pdflatex has no glyph for is written as its number.

    >>> for_latex(r"50% of \input{x}, 猫")
    '50\\% of \\textbackslash{}input\\{x\\}, U+732B'
    """
    return "".join(
        LATEX.get(c) or (c if c.isascii() else f"U+{ord(c):04X}") for c in printable(text)
    )


def for_spreadsheet(text: str) -> str:
    """Write text that no spreadsheet takes for a formula.

    Source: OWASP, "CSV Injection": a cell that begins with =, +, - or @, also after white
    space; an apostrophe before it makes it text.

    >>> for_spreadsheet("=cmd()")
    "'=cmd()"
    """
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(FORMULA) else shown
