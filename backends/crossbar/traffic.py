"""What moves over the chip for a layer, and the energy of wires and buffers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backends.crossbar.convolution import Load, Run, sum_width
from backends.crossbar.mapping import Placement
from backends.workload import LayerWork


@dataclass(frozen=True)
class Traffic:
    """Of one image. ``chip_bits`` over the chip's bus; ``buffered_values``, values that pass a buffer, and their
    ``buffered_bits`` (an output counts ``output_share``); ``wires_J``, joules of all wires."""

    chip_bits: float
    buffered_values: float
    buffered_bits: float
    wires_J: float


def convolution_traffic(run: Run, work: LayerWork, place: Placement, load: Load) -> Traffic:
    """Wires of a convolution.

    On the chip: inputs, a row of windows sharing all but a K-th of them under novel mapping, and outputs. In a tile:
    inputs to every PE and partial results from every PE. In a PE: inputs, and results of every array.
    """
    output_bits = run.target.workload.activation_bits or work.output_bits
    target, plan = run.target, run.plan
    wires = target.interconnect
    inputs = float(load.positions) * work.rows * work.groups
    outputs = float(load.positions) * work.outputs * work.groups
    reuse = max(work.kernel) if place.novel else 1
    chip_in, chip_out = inputs / reuse * load.bits, outputs * output_bits
    side = plan.pe_side if place.novel else plan.tile_side
    pe_m = side * run.chip.array_side_m
    blocks = place.pes
    summed_pes = blocks * -(-(place.row_parts // blocks) // side)
    fed = inputs * load.bits * -(-place.column_parts // side) * load.toggle
    partial = outputs * sum_width(target, load.bits, place.columns_per_weight) * target.workload.output_toggle
    chip_changes = chip_in * load.toggle + chip_out * target.workload.output_toggle
    joules = wires.wire_J_per_m * (
        chip_length_m(run) * chip_changes
        + wires.tile_length * pe_m * math.sqrt(blocks) * (fed + partial * summed_pes)
        + wires.pe_length * pe_m * (fed + partial * place.row_parts)
    )
    read = float(load.positions) * work.channels if place.novel else inputs
    written = outputs * target.buffer.output_share
    return Traffic(chip_in + chip_out, read + written, read * load.bits + written * output_bits, joules)


def elementwise_traffic(run: Run, work: LayerWork) -> Traffic:
    """Wires of a layer without weights: its operands and results over the chip."""
    bits_in = float(work.input_elements) * work.activation_bits
    bits_out = float(work.elements) * work.output_bits
    changes = (bits_in + bits_out) * run.target.workload.output_toggle
    share = run.target.buffer.output_share
    return Traffic(
        bits_in + bits_out,
        work.input_elements + work.elements * share,
        bits_in + bits_out * share,
        run.target.interconnect.wire_J_per_m * chip_length_m(run) * changes,
    )


def chip_length_m(run: Run) -> float:
    """What a bit travels over the chip: half its side, times the factors of bus and tree."""
    wires = run.target.interconnect
    length = wires.chip_length * run.chip.side_m / 2
    return length * wires.htree_length if wires.interconnect == "htree" else length


def buffer_energy_J(run: Run, traffic: Traffic) -> float:
    return traffic.chip_bits * run.target.buffer.buffer_bit_J * run.scale
