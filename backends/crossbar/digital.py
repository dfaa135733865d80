"""Digital work beside the arrays: offsets, requantisation, residual additions, pooling, DRAM, and programming."""

from __future__ import annotations

from dataclasses import dataclass

from backends.crossbar.convolution import Load, Run, sum_width
from backends.crossbar.mapping import Placement
from backends.crossbar.target import CrossbarTarget
from backends.crossbar.workload import LayerWork


def offset_energy_J(run: Run, work: LayerWork, place: Placement, load: Load) -> float:
    """Subtracting offset * (sum of inputs): the inputs of a group are added up once a position, and each of its outputs
    takes one subtraction."""
    target = run.target
    if not target.digital.count_offset or target.array.mapping != "offset":
        return 0.0
    width = sum_width(target, load.bits, place.columns_per_weight)
    sums = float(load.positions) * work.groups * work.rows * load.bits
    subtractions = float(load.positions) * work.groups * work.outputs * width
    return (sums + subtractions) * target.periphery.adder_J * run.scale


def requantise_bits(run: Run, work: LayerWork, place: Placement, load: Load) -> float:
    """Bit operations of bias and requantisation: a sum times a factor of ``multiplier_bits``."""
    if not run.target.digital.count_elementwise:
        return 0.0
    width = sum_width(run.target, load.bits, place.columns_per_weight)
    return float(load.positions) * work.groups * work.outputs * width * run.target.digital.multiplier_bits


def elementwise_bits(run: Run, work: LayerWork) -> float:
    """Bit operations of a layer without weights: an addition or comparison a tap, and multiplications by factors (of a
    pool: of its sum, which is wider than its inputs)."""
    bits = work.activation_bits
    factor_bits = bits + (work.taps - 1).bit_length() if work.kind == "pool" else bits
    multiplications = work.factors * factor_bits * run.target.digital.multiplier_bits
    return float(work.elements) * (work.taps * bits + multiplications)


@dataclass(frozen=True)
class Programming:
    """Writing all weights once: cells (copies included), joules, seconds (arrays in parallel, row by row), and how many
    images the cells endure (None where they are not written again)."""

    cells: float
    energy_J: float
    time_s: float
    lifetime_images: float | None


def programming(cells: float, target: CrossbarTarget) -> Programming:
    """The price of writing ``cells``."""
    figures = target.programming
    every = figures.images_per_programming
    lifetime = figures.endurance_writes * every if every else None
    return Programming(cells, cells * figures.program_cell_J, target.array.rows * figures.program_row_s, lifetime)
