"""Area and leakage of arrays and chip, and the scaling of figures to another node."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backends.chip import Chip
from backends.crossbar.converter import converter
from backends.crossbar.mapping import Floorplan
from backends.crossbar.target import CrossbarTarget


@dataclass(frozen=True)
class ArrayArea:
    """Square metres of one array: blocks, and what the rectangle around them leaves empty."""

    cells: float
    adc: float
    shift_add: float
    periphery: float
    empty: float

    @property
    def total(self) -> float:
        return self.cells + self.adc + self.shift_add + self.periphery + self.empty


def area_scale(target: CrossbarTarget) -> float:
    """Areas follow the square of the feature size."""
    return (target.array.technology_nm / target.array.reference_nm) ** 2


def converters_per_array(target: CrossbarTarget) -> int:
    return -(-target.array.columns // target.adc.columns_per_adc)


def shift_add_bits(target: CrossbarTarget, columns_per_weight: int, weight_bits: int, planes: int) -> float:
    """Register and adder bits that add up an array's weight digits (one unit a converter) and input bits (one unit
    for each weight that is converted at a time)."""
    units = converters_per_array(target)
    bits = target.adc.adc_bits
    if columns_per_weight == 1:
        return units * (bits + planes) if planes > 1 else 0.0
    return units * (bits + weight_bits) + units / columns_per_weight * (bits + weight_bits + planes)


def array_area(target: CrossbarTarget, sum_bits: float) -> ArrayArea:
    """One array with ``sum_bits`` of shift-and-add.

    ``bounding_box``: blocks beside the array keep its height and blocks below it its width (as NeuroSim V1.4 lays
    them out: the level shifters of word and bit lines beside, those of source lines below), and the chip pays the
    rectangle.
    """
    array, periphery = target.array, target.periphery
    scale = area_scale(target)
    feature = array.technology_nm * 1e-9
    height, width = array.rows * array.cell_height_F * feature, array.columns * array.cell_width_F * feature
    adc = converters_per_array(target) * converter(target).area_m2 * scale
    shift_add = sum_bits * periphery.shift_add_area_m2 * scale
    beside = array.rows * periphery.row_switch_area_m2 + periphery.level_shifter_area_m2 * (array.rows + array.columns)
    below = array.columns * (
        periphery.multiplexer_area_m2 + periphery.column_switch_area_m2 + periphery.level_shifter_area_m2
    )
    beside, below = beside * scale, below * scale
    used = height * width + adc + shift_add + beside + below
    box = (width + beside / height) * (height + (below + adc + shift_add) / width) if periphery.bounding_box else used
    return ArrayArea(height * width, adc, shift_add, beside + below, max(0.0, box - used))


def chip(plan: Floorplan, target: CrossbarTarget, weight_bits: int, planes: int) -> Chip:
    """The chip of a floorplan; ``weight_bits`` and ``planes``: the widest of the network."""
    per_weight = max((placement.columns_per_weight for placement in plan.placements), default=1)
    sum_bits = shift_add_bits(target, per_weight, weight_bits, planes)
    one, count, scale = array_area(target, sum_bits), plan.arrays, area_scale(target)
    area = {
        "array": count * one.cells,
        "adc": count * one.adc,
        "accumulate": count * (one.shift_add + target.periphery.adder_area_m2 * scale),
        "periphery": count * one.periphery,
        "buffer": count * planes * target.buffer.buffer_area_m2 * scale,
        "interconnect": count * target.interconnect.wire_area_m2 * scale,
        "empty": count * one.empty,
    }
    leakage = target.leakage
    power = (
        leakage.leakage_array_W
        + leakage.leakage_adc_bit_W * converters_per_array(target) * target.adc.adc_bits
        + leakage.leakage_shift_add_bit_W * sum_bits
        + target.array.cell_leakage_W * target.array.rows * target.array.columns
    )
    return Chip(area, math.sqrt(one.total), math.sqrt(sum(area.values())), count * power)
