"""The figures of docs/machine.md that show a compiled program: its waves, and where its energy goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from apc.accounting import Accounts
from apc.driver import CompileOptions, compile_model
from apc.report.compilation import compile_report
from apc.report.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, Figure
from apc.trace.spans import waves
from ir.program import Program

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAVES_TARGET = ["arrays=16", "arrays_per_tile=4", "tiles_per_bank=4"]
"""A chip so small that the layers of the example run in waves."""
IMAGES = 64
COLOURS = (BLUE, GREEN, ORANGE, PURPLE, RED, GREY)


def example_program(model: Path) -> Program:
    """The program that the figures show."""
    return compile_model(model, CompileOptions(overrides=WAVES_TARGET)).program


def waves_figure(program: Program) -> Figure:
    """Tiles as rectangles of the cycles and the arrays that they take."""
    accounts = Accounts(program)
    plans, arrays = accounts.plans(IMAGES), accounts.target.array.arrays

    def draw(axes: Axes) -> None:
        start = 0
        for index, plan in enumerate(plans):
            for wave in waves(plan):
                for place, job in enumerate(wave.jobs):
                    length = int(plan.run_cycles[job.tile]) / 1e6
                    below = plan.placement.base + sum(before.arrays for before in wave.jobs[:place])
                    _tile(axes, (start + wave.start) / 1e6, below, length, job.arrays, COLOURS[index % 3])
            start += plan.cycles
        axes.set_xlim(0, start / 1e6)
        axes.set_ylim(0, arrays)
        axes.set_xlabel("million cycles")
        axes.set_ylabel("arrays of the chip")
        axes.spines[["top", "right"]].set_visible(False)

    words = (
        f"{len(plans)} layers of {program.name} one after another, {IMAGES} images at once, on a chip of"
        f" {arrays} arrays: layers that need more run in several waves, and a wave lasts as long as its longest tile."
    )
    return Figure("Layers, waves and tiles of a program", words, (8.5, 3), draw)


def _tile(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    axes.barh(y, width, height, x, align="edge", color=colour, edgecolor="white", linewidth=0.4)


def energy_figure(program: Program) -> Figure:
    """Estimated energy of an image, stacked by component."""
    layers = [(layer["name"], layer["energy_estimate_J"]) for layer in compile_report(program, 0.0, [])["layers"]]
    parts = [name for name in layers[0][1] if name != "total" and any(energy[name] for _, energy in layers)]

    def draw(axes: Axes) -> None:
        left = np.zeros(len(layers))
        names = [name for name, _ in layers]
        for part, colour in zip(parts, COLOURS, strict=False):
            joules = np.array([energy[part] for _, energy in layers])
            axes.barh(names, 1e9 * joules, left=left, color=colour, label=part)
            left += 1e9 * joules
        axes.invert_yaxis()
        axes.set_xlabel("nJ an image, estimated")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(parts))
        axes.spines[["top", "right"]].set_visible(False)

    name, largest = max(layers, key=lambda layer: layer[1]["total"])
    words = f"Of {len(layers)} layers of {program.name}, {name} takes most, {1e9 * largest['total']:.0f} nJ."
    return Figure("Energy by layer and component", words, (8.5, 3.2), draw)
