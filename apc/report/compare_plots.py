"""The plots of a comparison as SVG that takes the colours of the page around it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from apc.report.compare_text import place_of
from apc.report.drawing import rendered
from apc.report.units import with_unit
from backends.cost import COMPONENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4c8dca", "#45a387", "#e0893a", "#b3a125", "#9c77c4", "#d0605e", "#9a7b5f", "#8b9199")
"""Of COMPONENTS, in order; of middle brightness, so that they stand out from light and from dark."""
_MARKERS = "osD^vP*X"
"""Of backends, with the colours: the ninth has the first's colour and another mark."""
_INK = "#010203"
"""Stands for the colour of the page's text, which matplotlib has no word for."""
_ROW_INCH, _WIDTH_INCH = 0.42, 8.5
_NAME_LETTERS = 34


def energy_plot(report: dict[str, Any]) -> str:
    """Energy of an image on every backend, on a logarithmic axis, with its ratio to the AP."""
    backends = list(reversed(report["backends"]))

    def draw(axes: Axes) -> None:
        energies = [backend["energy_J"]["total"] for backend in backends]
        axes.barh([_wrapped(backend["name"]) for backend in backends], energies, color=_COLOURS[0])
        axes.set_xscale("log")
        axes.set_xlim(min(energies) / 2, max(energies) * 8)
        axes.set_xlabel("energy per image (J)")
        for place, backend in enumerate(backends):
            label = f" {with_unit(energies[place], 'J')}, x {backend['ratio_to_ap']:.3g}"
            axes.text(energies[place], place, label, va="center", color=_INK)

    return _svg(draw, len(backends), "energy", "Bars: energy of an image on every backend, as in the table")


def share_plot(report: dict[str, Any]) -> str:
    """What the energy of every backend is made of."""
    backends = list(reversed(report["backends"]))

    def draw(axes: Axes) -> None:
        names, left = [_wrapped(backend["name"]) for backend in backends], [0.0] * len(backends)
        for component, colour in zip(COMPONENTS, _COLOURS, strict=True):
            parts = [backend["energy_J"].get(component, 0.0) / backend["energy_J"]["total"] for backend in backends]
            if any(parts):
                axes.barh(names, parts, left=left, color=colour, label=component)
                left = [start + part for start, part in zip(left, parts, strict=True)]
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of the energy")
        axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, labelcolor=_INK)

    return _svg(
        draw, len(backends) + 1, "share", "Stacked bars: shares of the components in each energy, as in the table"
    )


def layers_plot(report: dict[str, Any]) -> str:
    """Energy of every layer on every backend, on a logarithmic axis."""
    names = list(dict.fromkeys(layer["name"] for backend in report["backends"] for layer in backend["layers"]))
    place = {name: number for number, name in enumerate(names)}

    def draw(axes: Axes) -> None:
        for number, backend in enumerate(report["backends"]):
            layers = [layer for layer in backend["layers"] if layer["energy_J"]["total"] > 0]
            axes.plot(
                [layer["energy_J"]["total"] for layer in layers],
                [place[layer["name"]] for layer in layers],
                linestyle="none",
                marker=_MARKERS[(number + number // len(_COLOURS)) % len(_MARKERS)],
                color=_COLOURS[number % len(_COLOURS)],
                label=_wrapped(backend["name"]),
            )
        axes.set_xscale("log")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel("energy per image (J)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, labelcolor=_INK)

    rows = max(6, 0.5 * len(names) + len(report["backends"]) / 2)
    return _svg(draw, rows, "layers", "Marks: energy of every layer on every backend, as in the table")


def tornado_plot(pair: dict[str, Any], top: int) -> str:
    """The ``top`` figures of a pair of ``sensitivity`` that move its energy ratio most."""
    rows = list(reversed(pair["rows"][:top]))

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            for key, colour in (("ratio_low", _COLOURS[0]), ("ratio_high", _COLOURS[2])):
                if row[key] is not None:
                    axes.barh(place, row[key] - pair["ratio"], left=pair["ratio"], color=colour)
        axes.set_yticks(range(len(rows)), [place_of(row, pair) for row in rows])
        axes.set_xscale("log")
        axes.axvline(1, color=_INK, linestyle=":")
        axes.axvline(pair["ratio"], color=_INK, linewidth=0.8)
        axes.set_xlabel("energy ratio, array over AP\n(blue: figure down, orange: figure up, dotted: a tie)")

    label = f"Bars: what moves the energy ratio of {pair['crossbar']} to {pair['ap']} most, as in the table"
    return _svg(draw, len(rows), f"tornado {pair['ap']} {pair['crossbar']}", label)


def _wrapped(name: str) -> str:
    return "\n".join(wrap(name, _NAME_LETTERS))


def _svg(draw: Callable[[Axes], None], rows: float, name: str, label: str) -> str:
    """An <svg> element. ``name``: unlike that of any other plot on the page; ``label``: what a screen reader says
    instead of it."""

    def draw_plainly(axes: Axes) -> None:
        axes.patch.set_alpha(0)
        draw(axes)

    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    settings: dict[str, Any] = {**dict.fromkeys(inked, _INK), "savefig.transparent": True}
    settings |= {"font.family": "sans-serif", "text.parse_math": False}
    settings |= {"axes.spines.top": False, "axes.spines.right": False}
    drawn = rendered(draw_plainly, (_WIDTH_INCH, 1.1 + _ROW_INCH * rows), name, settings)
    element = drawn[drawn.index("<svg ") :].replace(_INK, "currentColor")
    element = element.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", element)
