"""Area of arrays and chip, and the sides that wires cross."""

from __future__ import annotations

import math
from collections.abc import Iterable

from backends.chip import Chip
from backends.sram_acim.load import Load
from backends.sram_acim.placement import Placement
from backends.sram_acim.target import AcimTarget, converter


def sum_width(target: AcimTarget, load: Load) -> int:
    """Bits of an output's sum: a code, shifted over the bits of weight and activation."""
    cycles = load.cycles
    return target.adc.adc_bits + cycles.weight_bits + cycles.dac_bits * (cycles.digits - 1)


def chip(places: Iterable[Placement], loads: Iterable[Load], target: AcimTarget) -> Chip:
    """The arrays of all layers, with accumulators for the widest sum and a digital path for the columns
    that any layer needs one for."""
    known = list(loads)
    width = max((sum_width(target, load) for load in known), default=0)
    count = sum(placement.arrays for placement in places)
    one = _array_m2(target, width, max((load.cycles.digital_share for load in known), default=0.0))
    area = {part: count * value for part, value in one.items()}
    side = math.sqrt(sum(one.values()))
    return Chip(area, side, math.sqrt(sum(area.values())), count * target.leakage.leakage_array_W)


def _array_m2(target: AcimTarget, width: int, digital_share: float) -> dict[str, float]:
    """One array and its buffer, by part."""
    array, dac = target.array, target.dac
    rows = array.rows + array.spare_rows
    cells, converters = rows * array.columns, -(-array.columns // target.adc.columns_per_adc)
    per_row = dac.row_driver_area_m2 + (dac.dac_bits * dac.dac_area_m2 if dac.dac_bits > 1 else 0.0)
    return {
        "array": cells * array.cell_area_m2,
        "dac": rows * per_row,
        "adc": converters * converter(target).area_m2,
        "digital": cells * digital_share * target.hybrid.digital_area_m2,
        "accumulate": converters * width * target.adders.accumulator_area_m2,
        "buffer": target.buffer.buffer_area_m2,
    }
