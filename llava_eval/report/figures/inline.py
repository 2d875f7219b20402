"""A figure as a part of an HTML page: text that follows the page's colours, ids of its own."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from llava_eval.report.figures.draw import Drawn
from llava_eval.report.figures.style import INK, PAPER, style
from llava_eval.tables import printable

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
DROPPED = ("metadata", "style")  # a style sheet would be the whole page's
# Colours that are the page's: of its text, and of what the text stands on.
THEME = {INK: "currentColor", PAPER: "Canvas"}
PIXELS = 1.5  # of the page for a point of a figure: no text is below 10 pixels
THEMED = re.compile("|".join(THEME))


def as_svg(drawn: Drawn) -> str:
    """Return a figure as an `<svg>` element that can stand in a page beside others.

    Text stays text. What is ink on paper has the page's own text colour. Ids begin with the
    figure's name. It is named and described for a screen reader, and shrinks with the page.

    Returns:
        Markup in which other people's text is escaped; the same bytes each time.
    """
    file = io.BytesIO()
    silent = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with style(salt=drawn.name):
        drawn.figure.savefig(file, format="svg", metadata=silent, transparent=True)
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314 (what we have just written)
    _drop(root)
    for element in root.iter():
        _adopt(element, f"{drawn.name}-")
    _introduce(root, drawn)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _drop(root: ElementTree.Element) -> None:
    """Leave out what is not drawn: styles, metadata, white space between elements."""
    for parent in list(root.iter()):
        if parent.text and not parent.text.strip():
            parent.text = None
        for child in list(parent):
            child.tail = None
            if child.tag.rpartition("}")[2] in DROPPED:
                parent.remove(child)


def _adopt(element: ElementTree.Element, prefix: str) -> None:
    """Make ids and references to them the figure's own, and ink the page's text colour."""
    for name, value in list(element.attrib.items()):
        short = name.rpartition("}")[2]
        if short == "id":
            element.set(name, prefix + value)
        elif short == "href" and value.startswith("#"):
            element.set(name, f"#{prefix}{value[1:]}")
        elif short in ("style", "fill", "stroke", "clip-path"):
            value = THEMED.sub(lambda found: THEME[found[0]], value)
            element.set(name, value.replace("url(#", f"url(#{prefix}"))


def _introduce(root: ElementTree.Element, drawn: Drawn) -> None:
    """Give the figure a name, a description, and the page's width at most."""
    words = {"title": drawn.title, "desc": drawn.description}
    for place, (tag, text) in enumerate(words.items()):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{drawn.name}-{tag}"})
        element.text = printable(text)
        root.insert(place, element)
    root.set("id", drawn.name)
    root.set("role", "img")
    root.set("aria-labelledby", f"{drawn.name}-title")
    root.set("aria-describedby", f"{drawn.name}-desc")
    root.set("stroke-linejoin", "round")
    root.set("stroke-linecap", "butt")
    for name in ("width", "height"):
        root.set(name, f"{PIXELS * float(root.get(name, '').removesuffix('pt')):g}")
    root.set("style", "max-width: 100%; height: auto")
