"""Figures of the documentation as SVG: the same bytes for the same figure, with words for those who cannot see it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREEN, ORANGE, PURPLE, RED, GREY = "#2f6db3", "#2b8a6e", "#c96f1a", "#7b52ab", "#b83f3c", "#8b9199"
FAINT, INK = "#e8ebef", "#1c2024"


@dataclass(frozen=True)
class Figure:
    """``title`` and ``words``: what it shows, for those who cannot see it; ``size``: in inches."""

    title: str
    words: str
    size: tuple[float, float]
    draw: Callable[[Axes], None]


def svg(figure: Figure, name: str) -> str:
    """The figure as a file, ``name`` unlike that of any other."""
    drawn = rendered(figure.draw, figure.size, name, {"text.color": INK, "axes.edgecolor": GREY})
    labels = f"<title>{escape(figure.title)}</title><desc>{escape(figure.words)}</desc>"
    head = re.compile(r"<svg ([^>]*)>")
    plain = "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"
    return head.sub(lambda match: f'<svg role="img" {match[1]}>{labels}', plain, count=1)


def rendered(draw: Callable[[Axes], None], size: tuple[float, float], name: str, settings: Mapping[Any, Any]) -> str:
    """What matplotlib draws, as SVG with text as text: the same bytes for the same drawing, no date, identifiers from
    ``name``. ``size``: in inches; ``settings``: of matplotlib."""
    from matplotlib import figure, rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9, **settings}):
        drawing = figure.Figure(figsize=size, layout="constrained")
        draw(drawing.add_subplot())
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def draw_cell(
    axes: Axes, x: float, y: float, text: str = "", face: str = "white", width: float = 1, edge: str = GREY
) -> None:
    """A square (or ``width`` squares) with its lower corner at x, y, and text in its middle."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, 1, facecolor=face, edgecolor=edge, linewidth=0.7))
    if text:
        dark = face in ("white", FAINT)
        axes.text(x + width / 2, y + 0.5, text, ha="center", va="center", fontsize=8, color=INK if dark else "white")


def without_axes(axes: Axes, width: float, height: float) -> None:
    """Room for ``width`` x ``height`` cells, rows counted downwards."""
    axes.set_xlim(-0.5, width + 0.5)
    axes.set_ylim(height + 0.5, -1.5)
    axes.set_axis_off()
