"""What moves for a layer, and the energy of its wires."""

from __future__ import annotations

from dataclasses import dataclass

from backends.sram_acim.convolution import Run
from backends.sram_acim.load import Load
from backends.sram_acim.placement import Placement
from backends.sram_acim.silicon import sum_width
from backends.workload import LayerWork


@dataclass(frozen=True)
class Traffic:
    """Of one image: ``chip_bits`` through buffers and over the chip; ``wires_J``, joules of all wires."""

    chip_bits: float
    wires_J: float


def convolution_traffic(run: Run, work: LayerWork, place: Placement, load: Load) -> Traffic:
    """Inputs and outputs cross half the chip; inputs pass every array that stands beside another, and sums every array
    of their output but one."""
    settings, wires = run.target.workload, run.target.interconnect
    inputs = float(work.positions) * work.rows * work.groups * load.cycles.activation_bits
    outputs = float(work.positions) * work.outputs * work.groups
    read = inputs / (max(work.kernel) if wires.input_reuse else 1)
    written = outputs * (settings.activation_bits or work.output_bits)
    partial = outputs * (place.row_parts - 1) * sum_width(run.target, load)
    along = run.chip.array_side_m * (read * load.toggle * place.column_parts + partial * settings.output_toggle)
    across = chip_length_m(run) * (read * load.toggle + written * settings.output_toggle)
    return Traffic(read + written, wires.wire_J_per_m * (along + across))


def elementwise_traffic(run: Run, work: LayerWork) -> Traffic:
    """Operands and results of a layer without weights cross half the chip."""
    bits = float(work.input_elements) * work.activation_bits + float(work.elements) * work.output_bits
    changes = bits * run.target.workload.output_toggle
    return Traffic(bits, run.target.interconnect.wire_J_per_m * chip_length_m(run) * changes)


def chip_length_m(run: Run) -> float:
    """What a bit travels over the chip."""
    return run.target.interconnect.chip_length * run.chip.side_m / 2


def traffic_time_s(run: Run, traffic: Traffic) -> float:
    """Of a bus that passes a word a cycle."""
    return traffic.chip_bits / run.target.interconnect.bus_bits * run.target.timing.digital_period_s
