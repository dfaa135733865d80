"""What the arrays of a cost target compute: the configuration of their simulation.

A cost target says nothing of errors beyond its figures, so cells and wires are ideal where it has none. Both sides of
a comparison, cost and accuracy, come from one set of figures by way of this module.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.crossbar.target import CrossbarTarget
from ir.errors import UserError
from ir.types import IntType

if TYPE_CHECKING:
    from backends.sram_acim.target import AcimTarget
    from simulator.analog.acim.config import AcimConfig
    from simulator.analog.config import CrossbarConfig

MOST_DAC_BITS = 16
"""As many bits as an activation has, where the target does not say how many are sent."""


def narrowest_bits(weights: np.ndarray, with_opposites: bool = False) -> int:
    """Bits of the narrowest two's complement integer that holds every weight of a layer (and its opposite)."""
    weights = weights.astype(np.int64)
    low, high = int(weights.min(initial=-1)), int(weights.max(initial=0))
    return IntType.containing(
        min(low, -high) if with_opposites else low, max(high, -low) if with_opposites else high
    ).bits


def acim_config(target: AcimTarget, weight_bits: int, activation_bits: int) -> AcimConfig:
    """The arrays of an SRAM compute-in-memory target for a layer whose weights and activations have so many bits; those
    that the target sets go before them, and weights have 2 bits at least. Raises AcimConfigError where no such array is
    simulated."""
    from simulator.analog.acim.config import AcimConfig

    adc, voting, dac_bits = target.adc, target.voting, target.dac.dac_bits
    weight_bits = target.workload.weight_bits or max(2, weight_bits)
    activation_bits = target.workload.activation_bits or activation_bits
    return AcimConfig(
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        dac_bits=dac_bits,
        rows=target.array.rows,
        adc_bits=adc.adc_bits,
        noise_lsb=adc.noise_lsb,
        offset_lsb=adc.offset_lsb,
        gain_sigma=adc.gain_sigma,
        inl_lsb=adc.inl_lsb,
        hybrid_level=target.hybrid.hybrid_level,
        voting=voting.voting,
        voting_level=voting.voting_level,
        voting_rule=voting.voting_rule,
    )


def crossbar_config(weights: np.ndarray, target: CrossbarTarget, signed: bool) -> CrossbarConfig:
    """What the arrays of a cost target compute for one layer, ``weights`` integers, outputs first: in cells of its
    bits, activations (``signed`` or not) a bit at a time, a conversion after each.

    A weight takes as many cells as its bits need (a sign and magnitude with a differential mapping, offset binary
    otherwise); weights that are all +1 or -1 take one bit. A range of "max" is ``full_range``. Cells and wires are
    ideal but for the on/off ratio, and that only where a converter could see a column of cells that are off.
    ``CrossbarNetwork`` fits the DAC to a layer's integers. Raises UserError where this is no array.
    """
    from simulator.analog.config import CrossbarConfig

    array, differential = target.array, target.array.mapping == "differential"
    rows_max = array.rows_parallel or array.rows
    shared: dict[str, Any] = {
        "dac_bits": target.workload.activation_bits or MOST_DAC_BITS,
        "dac_signed": False,
        "input_slice_bits": 1,
        "adc_per_input_slice": True,
        "adc_bits": target.adc.adc_bits,
        "adc_range": (-1.0, 1.0) if array.adc_range == "max" else array.adc_range,
        "adc_sign_magnitude": signed or (differential and array.subtract_in_analog),
        "subtract_in_analog": array.subtract_in_analog,
        "rows_max": rows_max,
        "columns_max": array.columns,
    }
    if not np.all(np.abs(weights) == 1):
        shared |= _cells(weights, target)
    elif differential:
        shared["binary_mapping"] = "two_columns"
    else:
        shared["binary_mapping"] = "offset_cell"
    rows = min(rows_max, weights[0].size)
    config = CrossbarConfig(**shared)
    if rows / array.on_off_ratio >= _step(config, rows) / 2:
        config = replace(config, on_off_ratio=array.on_off_ratio)
    return replace(config, adc_range=full_range(config, rows)) if array.adc_range == "max" else config


def _cells(weights: np.ndarray, target: CrossbarTarget) -> dict[str, Any]:
    """The fields that say how a weight is held."""
    differential = target.array.mapping == "differential"
    bits = target.workload.weight_bits or max(2, narrowest_bits(weights, with_opposites=differential))
    if bits == 1:
        raise UserError("workload.weight_bits is 1, but the layer has weights other than +1 and -1: take 2 or more")
    stored = bits - 1 if differential else bits
    slices = -(-stored // target.array.cell_bits)
    cell_bits = stored if slices == 1 else 0
    return {"mapping": target.array.mapping, "weight_bits": bits, "slices": slices, "cell_bits": cell_bits}


def full_range(config: CrossbarConfig, rows: int) -> tuple[float, float]:
    """The range of a converter that every current of ``rows`` rows, driven a bit at a time, lies in: codes are the
    levels of a cell where there are enough of them, so that nothing is lost, and as close as rows allow otherwise."""
    high = _step(config, rows) * _top(config)
    return -high if config.adc_sign_magnitude else 0.0, high


def _step(config: CrossbarConfig, rows: int) -> float:
    """Between two codes. Cells that are off, where they count and are not subtracted, lie between levels: then the
    finest step is best."""
    finest = rows / _top(config)
    if config.lowest_conductance and not (config.differential and config.subtract_in_analog):
        return finest
    return max((1 - config.lowest_conductance) / ((1 << config.slice_bits) - 1), finest)


def _top(config: CrossbarConfig) -> int:
    codes = (1 << config.adc_bits) - 1
    return codes // 2 if config.adc_sign_magnitude else codes
