"""One convolution on its arrays: energy, time and events of an image."""

from __future__ import annotations

from dataclasses import dataclass

from backends.chip import Chip
from backends.converter import Converter
from backends.sram_acim.load import Load
from backends.sram_acim.placement import Placement
from backends.sram_acim.silicon import sum_width
from backends.sram_acim.target import AcimTarget
from backends.workload import LayerWork


@dataclass(frozen=True)
class Run:
    """What all layers of a network share."""

    target: AcimTarget
    adc: Converter
    chip: Chip


def array_energy_J(run: Run, work: LayerWork, place: Placement, load: Load) -> dict[str, float]:
    """Joules of everything around the arrays.

    array        word lines (C V^2, as far as a row's digit goes) and cells whose product is not 0
    dac          drivers of rows that are on, or a DAC a row
    adc          converters, every vote; the charge of a cycle is held for all of its votes
    digital      digital cycles: products, adder trees, and adding up the cycles, which published macros do too
    shift_add    the code of every other cycle, and the sum of the digital ones, shifted and added; counting votes costs
                 an addition of a code each
    adder_tree   adding up an output's arrays
    """
    target, cycles = run.target, load.cycles
    array, dac, joule_F = target.array, target.dac, target.array.supply_V**2
    positions, sums = float(work.positions), float(work.positions) * work.outputs * work.groups
    rows_read = positions * place.arrays * place.used_rows
    rows_on = rows_read * sum(load.drive[digit] for digit in load.converted_digits)
    width, macs = sum_width(target, load), sums * work.rows
    converted = cycles.count - cycles.digital_count
    added = converted + (1 if converted and cycles.digital_count else 0)
    repeated = cycles.conversions - converted
    drivers = (
        rows_read * len(load.converted_digits) * dac.dac_bits * dac.dac_bit_J
        if dac.dac_bits > 1
        else rows_on * dac.row_driver_J
    )
    return {
        "array": (rows_on * array.columns * array.wordline_F + macs * load.products * array.cell_F) * joule_F,
        "dac": drivers,
        "adc": sums * place.row_parts * cycles.conversions * run.adc.energy_J,
        "digital": macs * cycles.digital_products * target.hybrid.digital_mac_J,
        "shift_add": sums * place.row_parts * (added * width + repeated * target.adc.adc_bits) * target.adders.adder_J,
        "adder_tree": sums * (place.row_parts - 1) * width * target.adders.adder_J,
    }


def array_time_s(run: Run, work: LayerWork, load: Load) -> float:
    """Digits one after another, all arrays at once: settling and the conversions of the busiest converter, beside the
    digital cycles, a bit of the digit after another with all columns at once."""
    target, cycles = run.target, load.cycles
    seconds = 0.0
    for digit in range(cycles.digits):
        conversions = cycles.busiest_of(digit, target.adc.columns_per_adc)
        analog = target.array.settle_s + conversions * run.adc.time_s if conversions else 0.0
        digital = cycles.bits_of(digit) * target.hybrid.digital_cycle_s if cycles.digital_of(digit) else 0.0
        seconds += max(analog, digital)
    return work.positions * seconds


def array_events(work: LayerWork, place: Placement, load: Load) -> dict[str, float]:
    """Counters of one image. ``digital_macs``: products of two bits; ``utilisation``: a share, not a count."""
    positions, cycles = float(work.positions), load.cycles
    macs = positions * work.rows * work.outputs * work.groups
    return {
        "arrays": float(place.arrays),
        "row_parts": float(place.row_parts),
        "macs": macs,
        "array_reads": positions * place.arrays * len(load.converted_digits),
        "conversions": positions * work.outputs * work.groups * place.row_parts * cycles.conversions,
        "digital_macs": macs * cycles.digital_products,
        "cells": float(work.rows * work.outputs * work.groups * place.weight_bits),
        "utilisation": place.utilisation,
    }
