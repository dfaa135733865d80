"""Weights to conductances and back: slices, levels, and what a column's current means.

Conductances are in units of Gmax, inputs u in units of full scale. ``Gm`` is the lowest conductance, ``Gr = 1 -
Gm``. An output is ``scale * (sum over slices k of slice_weights[k] * current_k - offset * sum(u))``, where the
current of a pair is a difference. Formulas: CrossSim v3.2.0 definitions, checked, but for the gain of quantised
offset cells (here divided by the range that the cells really use) and for the unit column of slices (here a weight
of zero in every slice).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.analog.config import CrossbarConfig, CrossbarConfigError


@dataclass(frozen=True)
class MappedWeights:
    """Cells [slices, sides, groups, columns, rows]; sides are the cells of a pair (1 where there is none). Either
    ``levels``, of the smallest integer type that holds them: conductance = lowest + step * level; or ``analog``,
    float64 conductances.

    ``scale``: float64[groups, columns], the weight that 1 stands for. ``slice_weights``: float64[slices];
    ``offset``: what of sum(u) is subtracted digitally. In levels, the decoded weight is ``scale / top * (sum over k
    of radix**k * level_k - centre)``; ``middle``: the level that is subtracted from levels before they are summed,
    to keep sums small.
    """

    levels: np.ndarray | None
    analog: np.ndarray | None
    scale: np.ndarray
    slice_weights: np.ndarray
    offset: float
    lowest: float
    step: float = 0.0
    top: float = 1.0
    radix: int = 1
    centre: float = 0.0
    middle: int = 0

    def targets(self, start: int, stop: int) -> np.ndarray:
        """float64[slices, sides, groups, columns, stop - start]: the conductances aimed at, of some rows."""
        if self.analog is not None:
            return self.analog[..., start:stop].copy()
        assert self.levels is not None
        return self.lowest + self.step * self.levels[..., start:stop]


def map_weights(weights: np.ndarray, config: CrossbarConfig, unit_columns: int = 0) -> MappedWeights:
    """Map ``weights``, float64[groups, columns, rows]. ``unit_columns`` columns of weight zero follow those of every
    group.

    Raises ``CrossbarConfigError`` for weights that are not finite, for weights other than +1 and -1 with a binary
    mapping, and for a percentile that clips all weights to 0.
    """
    if not np.isfinite(weights).all():
        raise CrossbarConfigError("weights: must be finite numbers")
    if config.binary_mapping is not None and not (np.abs(weights) == 1).all():
        odd = weights[np.abs(weights) != 1].flat[0]
        raise CrossbarConfigError(f"weights: {odd:g} with binary_mapping = {config.binary_mapping}: use +1 and -1 only")
    largest = np.broadcast_to(largest_weight(weights, config)[..., None], (*weights.shape[:2], 1))
    normalised = np.clip(weights / largest, -1, 1)
    if unit_columns:
        padding = ((0, 0), (0, unit_columns), (0, 0))
        normalised, largest = np.pad(normalised, padding), np.pad(largest, padding)
    scale = np.ascontiguousarray(largest[..., 0])
    if config.binary_mapping is not None and not config.differential:
        return _binary_cells(normalised, scale, config)
    if config.slices == 1 and config.slice_bits == 0:
        return _analog_cells(normalised, scale, config)
    return (_pairs if config.differential else _offset_cells)(normalised, scale, config)


def largest_weight(weights: np.ndarray, config: CrossbarConfig) -> np.ndarray:
    """float64[groups or 1, columns or 1]: |weight| that becomes the highest conductance; 1 where all weights are 0.

    Raises ``CrossbarConfigError`` where a percentile of weights that are not all 0 is 0.
    """
    if config.binary_mapping is not None:
        return np.ones((1, 1))
    sizes = np.abs(weights)
    pools = sizes if config.weight_max_per == "column" else sizes.reshape(1, 1, -1)
    if isinstance(config.weight_max, float):
        largest = np.percentile(pools, config.weight_max, axis=-1)
        if ((largest == 0) & pools.any(-1)).any():
            raise CrossbarConfigError(
                f"weight_max = {config.weight_max:g}: this percentile of |weights| is 0, take a higher one or max"
            )
    else:
        largest = pools.max(-1)
    return np.where(largest > 0, largest, 1.0)


def _range(config: CrossbarConfig) -> tuple[float, float]:
    lowest = config.lowest_conductance
    return lowest, 1 - lowest


def _analog_cells(w: np.ndarray, scale: np.ndarray, config: CrossbarConfig) -> MappedWeights:
    low, reach = _range(config)
    if not config.differential:
        targets = (low + reach * (w + 1) / 2)[None, None]
        weights, offset = np.array([2 / reach]), (low + reach / 2) * 2 / reach
    else:
        both = (
            (1 + w, 1 - w)
            if config.differential_style == "two_sided"
            else (2 * np.maximum(w, 0), 2 * np.maximum(-w, 0))
        )
        targets = low + reach * np.stack(both)[None] / 2
        weights, offset = np.array([1 / reach]), 0.0
    offset = 0.0 if config.unit_column else offset
    return MappedWeights(None, targets, scale, weights, offset, low)


def _smallest(bits: int) -> type[np.signedinteger]:
    """The type that holds levels of ``bits`` and their differences."""
    return np.int8 if bits <= 7 else np.int16 if bits <= 15 else np.int32


def _slices(values: np.ndarray, bits: int, number: int) -> np.ndarray:
    """Integers [number, ...]: digits of ``values`` >= 0 base 2^bits, lowest first."""
    whole, mask = values.astype(np.int64), (1 << bits) - 1
    digits = np.empty((number, *values.shape), _smallest(bits))
    for index in range(number):
        digits[index] = (whole >> (bits * index)) & mask
    return digits


def _pairs(w: np.ndarray, scale: np.ndarray, config: CrossbarConfig) -> MappedWeights:
    low, reach = _range(config)
    bits = config.slice_bits
    top = (1 << bits) - 1 if config.slices == 1 else (1 << ((config.weight_bits or 0) - 1)) - 1
    if config.differential_style == "two_sided" and config.binary_mapping is None:
        levels = np.rint(np.stack([1 + w, 1 - w])[None] / 2 * top).astype(_smallest(bits))
    else:
        digits = _slices(np.rint(np.abs(w) * top), bits, config.slices)
        levels = np.stack([digits * (w > 0), digits * (w < 0)], axis=1)
    step = reach / ((1 << bits) - 1)
    radix = 1 << bits
    weights = float(radix) ** np.arange(config.slices) / (step * top)
    return MappedWeights(levels, None, scale, weights, 0.0, low, step, top, radix)


def _offset_cells(w: np.ndarray, scale: np.ndarray, config: CrossbarConfig) -> MappedWeights:
    low, reach = _range(config)
    bits = config.slice_bits
    whole = bits if config.slices == 1 else config.weight_bits or 0
    top, centre = (1 << (whole - 1)) - 1, 1 << (whole - 1)
    levels = _slices(np.rint(w * top + centre), bits, config.slices)[:, None]
    step = reach / ((1 << bits) - 1)
    radix = 1 << bits
    weights = float(radix) ** np.arange(config.slices) / (step * top)
    offset = 0.0 if config.unit_column else low * weights.sum() + centre / top
    middle = centre if config.slices == 1 else 0
    return MappedWeights(levels, None, scale, weights, offset, low, step, top, radix, centre, middle)


def _binary_cells(w: np.ndarray, scale: np.ndarray, config: CrossbarConfig) -> MappedWeights:
    """+1 is a cell of highest, -1 one of lowest conductance: w = 2 * level - 1."""
    low, reach = _range(config)
    levels = (w > 0).astype(np.int8)[None, None]
    weights, offset = np.array([2 / reach]), 2 * low / reach + 1
    return MappedWeights(levels, None, scale, weights, offset, low, reach, 0.5, 2, 0.5)
