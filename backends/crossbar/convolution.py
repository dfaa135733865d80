"""One convolution on its arrays: energy and events of reading, converting and adding up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backends.activity import LayerActivity, default_toggle, input_planes, with_density
from backends.chip import Chip
from backends.converter import Converter
from backends.crossbar.conductance import Cell, mean_conductance_S
from backends.crossbar.mapping import Floorplan, Placement, multiplexer_steps, weight_bits_of
from backends.crossbar.target import CrossbarTarget
from backends.workload import LayerWork


@dataclass(frozen=True)
class Run:
    """What all layers of a network share. ``scale``: of circuits' energies, to the target's node."""

    target: CrossbarTarget
    adc: Converter
    plan: Floorplan
    chip: Chip
    scale: float


@dataclass(frozen=True)
class Load:
    """A convolution's figures for one image.

    positions      output positions, padding counted or not as the target says
    weight_bits    of the weights
    planes         density of ones in every bit plane that is sent, most significant first
    share          of taps that fall on data; padding keeps its rows off
    conductance_S  mean of the cells that hold weights, with their access devices
    empty_S        of a cell that holds none
    toggle         share of input bits that change from one word to the next
    """

    positions: int
    weight_bits: int
    planes: tuple[float, ...]
    share: float
    conductance_S: float
    empty_S: float
    toggle: float

    @property
    def bits(self) -> int:
        return len(self.planes)

    @property
    def density(self) -> float:
        """Share of row reads that are on, over all planes."""
        return self.share * sum(self.planes) / len(self.planes)

    @property
    def idle(self) -> float:
        """Share of planes without a one."""
        return sum(1 for plane in self.planes if plane == 0) / len(self.planes)


def load_of(work: LayerWork, target: CrossbarTarget, measured: LayerActivity | None) -> Load:
    """The load of a convolution: settings of the target first, then what was measured, then the rules of
    ``backends.activity``."""
    settings, array = target.workload, target.array
    bits = settings.activation_bits or work.activation_bits
    weight_bits = weight_bits_of(work, target)
    planes = input_planes(work, bits, settings.sign_plane, measured)
    if settings.input_bit_density >= 0:
        planes = with_density(planes, settings.input_bit_density)
    conductance, on = settings.mean_cell_conductance_S, 1 / array.on_resistance_ohm
    cell = Cell(array.cell_bits, on, on / array.on_off_ratio, array.access_resistance_ohm)
    if conductance < 0:
        values = work.weight_values if settings.weight_bits in (0, work.weight_bits) else ()
        conductance = mean_conductance_S(values, weight_bits, cell, array.mapping == "differential")
    toggle = settings.input_toggle
    if toggle < 0:
        toggle = measured.toggle if measured is not None else default_toggle(planes)
    padded = settings.count_padding
    return Load(
        positions=work.positions if padded else work.bare_positions,
        weight_bits=weight_bits,
        planes=planes,
        share=work.tap_share if padded else 1.0,
        conductance_S=conductance,
        empty_S=cell.conductance_S(0),
        toggle=toggle,
    )


def sum_width(target: CrossbarTarget, planes: int, columns_per_weight: int) -> int:
    """Bits of an array's result: a code, shifted over the input's bits and the weight's digits, and guard bits."""
    periphery = target.periphery
    digits = columns_per_weight // 2 if target.array.mapping == "differential" else columns_per_weight
    digit_bits = periphery.sum_digit_bits or target.array.cell_bits
    return target.adc.adc_bits + planes + digit_bits * (digits - 1) + periphery.sum_guard_bits


def passes_of(target: CrossbarTarget, place: Placement) -> int:
    """Reads of an array for one bit plane: more than one where not all of its rows may be on together."""
    parallel = target.array.rows_parallel
    return max(1, math.ceil(place.used_rows / parallel)) if parallel else 1


def array_energy_J(run: Run, work: LayerWork, place: Placement, load: Load) -> dict[str, float]:
    """Joules of everything around the arrays.

    array        word lines (C V^2 per active row and multiplexer step) and cell current over the conversion (the
                 cells beside those of packed groups conduct too)
    adc          converters; a plane without ones costs their idle energy
    row_switch   drivers of active rows, and a fixed part per row
    multiplexer  per column of a read
    shift_add    adding up bit planes and weight digits of one array; nothing where there is one of each
    adder_tree   adding up an output's arrays (and passes)
    """
    target, periphery = run.target, run.target.periphery
    array, steps = target.array, multiplexer_steps(target)
    passes = passes_of(target, place)
    vectors = float(load.positions * load.bits)
    reads = vectors * place.reads_per_vector * passes
    conversions = vectors * place.conversions * passes
    rows_on = place.used_rows * load.density
    width = sum_width(target, load.bits, place.columns_per_weight)
    lines = steps * rows_on * array.columns * array.wordline_F * array.supply_V**2
    time = array.column_time_s or run.adc.time_s
    row_A = array.read_voltage_V * (load.conductance_S + (place.packed - 1) * load.empty_S) / place.packed
    current = array.column_supply_V * row_A * time * rows_on * place.columns * vectors
    results = vectors * place.columns * passes / place.columns_per_weight if width_grows(place, load) else 0.0
    partials = float(load.positions) * work.outputs * work.groups * (place.row_parts * passes - 1)
    rows = steps * rows_on * periphery.row_switch_J / passes + array.rows * periphery.row_switch_fixed_J
    return {
        "array": reads / passes * lines * run.scale + current,
        "adc": conversions * (run.adc.energy_J * (1 - load.idle) + run.adc.idle_J * load.idle) * run.scale,
        "row_switch": reads * rows * run.scale,
        "multiplexer": reads * array.columns * periphery.multiplexer_J * run.scale,
        "shift_add": results * width * periphery.shift_add_J * run.scale,
        "adder_tree": partials * width * periphery.adder_J * run.scale,
    }


def width_grows(place: Placement, load: Load) -> bool:
    """Whether codes of one array are shifted and added at all."""
    return load.bits > 1 or place.columns_per_weight > 1


def array_events(run: Run, work: LayerWork, place: Placement, load: Load) -> dict[str, float]:
    """Counters of one image."""
    passes = passes_of(run.target, place)
    vectors = float(load.positions * load.bits)
    return {
        "arrays": float(place.arrays),
        "tiles": float(place.tiles),
        "duplication": float(place.duplication),
        "macs": float(load.positions) * work.rows * work.outputs * work.groups,
        "array_reads": vectors * place.reads_per_vector * passes,
        "conversions": vectors * place.conversions * passes,
        "cell_reads": vectors * place.columns * place.used_rows * load.density,
        "cells": float(work.rows * work.outputs * work.groups * place.columns_per_weight),
    }
