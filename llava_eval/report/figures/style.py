"""How the figures look: sizes of a paper, colours for everyone, text that is only text."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from llava_eval.tables import printable

P = ParamSpec("P")
R = TypeVar("R")

SINGLE, DOUBLE = 3.25, 6.75  # inches: one column of a paper, and both
SMALL, USUAL = 7.0, 7.5  # points, at that width
LONGEST = 44  # characters of a name
LINE, MOST_NOTED = 0.135, 8  # inches of a line of text; lines below a figure
LEAST_PAD = 0.025  # beyond the ends of an axis, so that no marker is cut
# Text, axes and everything that is neither data nor paper: `as_svg` makes it the page's colour.
INK = "#1c1c1e"
PAPER = "#fdfdfe"  # inside a hollow marker: what lies under it does not show through
# Okabe and Ito's palette without its yellow and black, which are lost on white and on dark
# paper; in an order in which neighbours differ in grey too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)))
# No dots: as outlines in an SVG they take half a megabyte.
HATCHES = ("", "/////", "\\\\\\\\\\", "xxxxx", "-----")
CJK = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
)
SETTINGS: dict[str, Any] = {
    "font.size": USUAL,
    "axes.titlesize": USUAL,
    "axes.labelsize": USUAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "figure.labelsize": SMALL,
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "hatch.color": INK,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 4.0,
    "legend.frameon": False,
    "text.parse_math": False,  # a name with two $ is no formula
    "text.usetex": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "svg.fonttype": "none",
}


@contextmanager
def style(salt: str = "llava-eval") -> Iterator[None]:
    """Draw in our style and leave the user's as it is.

    Args:
        salt: Of the ids in an SVG.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        fonts = ["DejaVu Sans", *installed_fonts(), "sans-serif"]
        matplotlib.rcParams.update({**SETTINGS, "font.family": fonts, "svg.hashsalt": salt})
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw in our style; nothing in what it draws is read as a formula."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            figure = draw(*args, **kwargs)
            if isinstance(figure, Figure):
                for text in figure.findobj(Text):
                    text.set_parse_math(False)
                # Laid out once: that is most of the time that a figure takes.
                engine = figure.get_layout_engine()
                if engine is not None:
                    engine.execute(figure)
                figure.set_layout_engine("none")
            return figure

    return drawn


@dataclass(frozen=True)
class Look:
    """How one model is drawn, in colour and without."""

    colour: str
    marker: str
    line: Any
    hatch: str


def look(place: int) -> Look:
    """Return the look of a model by its place; colours repeat later than markers do."""
    return Look(
        COLOURS[place % len(COLOURS)],
        MARKERS[place % len(MARKERS)],
        LINES[place % len(LINES)],
        HATCHES[place % len(HATCHES)],
    )


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that makes room for its own labels."""
    room = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03)
    return Figure(figsize=(width, height), layout=room)


@functools.cache
def installed_fonts() -> tuple[str, ...]:
    """Return the fonts of this machine that have Chinese, Japanese or Korean characters."""
    found = {font.name for font in fontManager.ttflist}
    return tuple(name for name in CJK if name in found)


@functools.cache
def has_glyph(character: str) -> bool:
    """Whether any of our fonts can draw a character."""
    fonts = (get_font(findfont(name)) for name in ("DejaVu Sans", *installed_fonts()))
    return any(font.get_char_index(ord(character)) for font in fonts)


def label(text: str, most: int = LONGEST) -> str:
    r"""Return other people's text as one short line that can be drawn.

    Characters that no font here has are written as their numbers; of a long text the beginning
    and the end are kept, where names differ.

    >>> label("a\nb")
    'a\\nb'
    >>> label("x" * 100, 9)
    'xxxx…xxxx'
    """
    shown = "".join(c if has_glyph(c) else f"U+{ord(c):04X} " for c in printable(text)).strip()
    if len(shown) <= most:
        return shown
    half = (most - 1) // 2
    return f"{shown[: most - 1 - half]}…{shown[len(shown) - half :]}"


def labels(texts: Sequence[str], most: int = LONGEST) -> list[str]:
    """Return short lines of which no two are the same."""
    found: list[str] = []
    for place, text in enumerate(texts, 1):
        short = label(text, most)
        found.append(f"{short} ({place})" if short in found else short)
    return found


def add_note(figure: Figure, lines: Sequence[str]) -> None:
    """Write what must be known below a figure, in lines that fit its width; it grows by them."""
    width = int(figure.get_figwidth() * 72 / (SMALL * 0.53))
    wrapped = [part for line in lines if line for part in textwrap.wrap(line, width)]
    if len(wrapped) > MOST_NOTED:
        wrapped = [*wrapped[: MOST_NOTED - 1], "… and more; the table has every number."]
    if wrapped:
        figure.set_figheight(figure.get_figheight() + LINE * len(wrapped))
        figure.supxlabel("\n".join(wrapped), x=0.01, ha="left", fontsize=SMALL, linespacing=1.25)


def add_legend(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> Legend:
    """Write a legend above a figure, in columns that fit its width; it grows by the legend."""
    longest = max(map(len, names)) * SMALL * 0.56 + 34  # points, the sample line included
    columns = max(1, min(len(names), int(figure.get_figwidth() * 72 / longest)))
    rows = -(-len(names) // columns)
    figure.set_figheight(figure.get_figheight() + LINE * 1.15 * rows)
    return figure.legend(
        handles, names, loc="outside upper left", ncols=columns, borderpad=0.1, columnspacing=1.2
    )


def nice_limits(low: float, high: float, ceiling: float | None = None) -> list[float]:
    """Return ticks at round numbers around two values, none below zero unless a value is.

    >>> nice_limits(71.2, 98.0, 100.0)
    [70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 100.0]
    """
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    kept = [float(t) for t in ticks if t >= 0 or low < 0]
    return [t for t in kept if ceiling is None or t <= ceiling] or [low, high]


def set_ticks(axes: Axes, ticks: Sequence[float]) -> None:
    """Set the ticks and limits of a horizontal axis, with room for markers at its ends."""
    pad = LEAST_PAD * (ticks[-1] - ticks[0] or 1.0)
    axes.set_xlim(ticks[0] - pad, ticks[-1] + pad)
    axes.set_xticks(list(ticks), [number(tick) for tick in ticks])


def number(value: float) -> str:
    """Write a number of an axis, with a true minus.

    >>> number(-1500.0), number(0.5)
    ('−1,500', '0.5')
    """
    return f"{value:,.10g}".replace("-", "−")
