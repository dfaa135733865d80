"""Writing the weights of a chip: what it takes, and for how many images they stay."""

from __future__ import annotations

from dataclasses import dataclass

from backends.section_fields import real


@dataclass(frozen=True)
class Programming:
    """Writing the weights. ``images_per_programming`` 0: weights stay for ever, energy is reported but not charged."""

    program_cell_J: float = real("J per cell", 0, 1)
    program_row_s: float = real("s per row of an array", 0, 1e6)
    endurance_writes: float = real("writes per cell", 0, 1e30, positive=True)
    images_per_programming: float = real("images, 0: never", 0, 1e30)


@dataclass(frozen=True)
class Written:
    """Writing all weights once: cells (copies included), joules, seconds (arrays in parallel, row by row), and how many
    images the cells endure (None where they are not written again)."""

    cells: float
    energy_J: float
    time_s: float
    lifetime_images: float | None


def written(cells: float, rows: int, figures: Programming) -> Written:
    """The price of writing ``cells`` that lie in arrays of ``rows``."""
    every = figures.images_per_programming
    lifetime = figures.endurance_writes * every if every else None
    return Written(cells, cells * figures.program_cell_J, rows * figures.program_row_s, lifetime)
