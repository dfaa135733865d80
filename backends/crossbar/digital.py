"""Digital work beside the arrays: offsets and requantisation."""

from __future__ import annotations

from backends.crossbar.convolution import Load, Run, sum_width
from backends.crossbar.mapping import Placement
from backends.workload import LayerWork


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
