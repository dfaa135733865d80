"""How often a backend says the same as the exact network, and how often it is right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from apc.comparison.backend import Accuracy
from apc.comparison.workload import weight_bits
from apc.intervals import interval
from apc.options import Progress, silent
from backends.crossbar.target import CrossbarTarget
from ir.boundary import dequantise_output
from ir.errors import UserError
from ir.graph import Graph
from ir.ops import Conv

if TYPE_CHECKING:
    from apc.comparison.data import Data
    from simulator.analog.config import CrossbarConfig


MOST_DAC_BITS = 16
"""As many bits as an activation has, where the target does not say how many are sent."""


def accuracy_of(classes: np.ndarray, exact: np.ndarray, labels: np.ndarray | None) -> Accuracy:
    """``classes``: what the backend takes each image for; ``exact``: what the exact network does; int64[images]."""
    images = len(classes)
    agreement = interval([int((classes == exact).sum())], images)
    right = None if labels is None else interval([int((classes == labels).sum())], images)
    return Accuracy(images, agreement, right)


def crossbar_classes(
    graph: Graph, target: CrossbarTarget, data: Data, threads: int, progress: Progress = silent
) -> np.ndarray:
    """What the network takes every image for on the arrays of ``target``: int64[images]. Converters whose range is
    calibrated are set on the first images. Raises UserError for a target whose arrays cannot hold the network."""
    from simulator.analog.crossbar_network import CrossbarNetwork

    try:
        network = CrossbarNetwork(graph, lambda name, op: crossbar_config(op, target, _signed(graph, name, op)))
    except UserError as error:
        raise UserError(f"{target.name}, {error}") from error
    if target.array.adc_range == "calibrated":
        network.calibrate(data.first)
    values = network.run(data.integers, threads=threads, progress=progress)
    outputs = {out.name: dequantise_output(out, values[out.node]) for out in graph.outputs}
    return data.classifier.classes(outputs)


def _signed(graph: Graph, name: str, op: Conv) -> bool:
    """Whether a layer's integers less their zero point may be negative."""
    return int(graph.type(graph.inputs(name)[0]).lo.min()) < op.zero_point


def crossbar_config(op: Conv, target: CrossbarTarget, signed: bool) -> CrossbarConfig:
    """What the arrays of a cost target compute for one layer: weights in cells of its bits, activations (``signed`` or
    not) a bit at a time, a conversion after each.

    A weight takes as many cells as its bits need (a sign and magnitude with a differential mapping, offset binary
    otherwise); weights that are all +1 or -1 take one bit. A range of "max" is ``full_range``. Cells and wires are
    ideal but for the on/off ratio, and that only where a converter could see a column of cells that are off: a cost
    target says nothing of errors. ``CrossbarNetwork`` fits the DAC to a layer's integers. Raises UserError where this
    is no array.
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
    if not np.all(np.abs(op.weights) == 1):
        shared |= _cells(op, target)
    elif differential:
        shared["binary_mapping"] = "two_columns"
    else:
        shared["binary_mapping"] = "offset_cell"
    rows = min(rows_max, op.weights[0].size)
    config = CrossbarConfig(**shared)
    if rows / array.on_off_ratio >= _step(config, rows) / 2:
        config = replace(config, on_off_ratio=array.on_off_ratio)
    return replace(config, adc_range=full_range(config, rows)) if array.adc_range == "max" else config


def _cells(op: Conv, target: CrossbarTarget) -> dict[str, Any]:
    """The fields that say how a weight is held."""
    differential = target.array.mapping == "differential"
    bits = target.workload.weight_bits or max(2, weight_bits(op, with_opposites=differential))
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
