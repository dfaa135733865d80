"""The short way: what arrays and converters amount to where they are linear, as one matrix."""

from __future__ import annotations

import numpy as np

from simulator.analog.converters import AdcCode, InputStage
from simulator.analog.linear import Inputs
from simulator.analog.programmed import Arrays, Signals

NEARLY_WHOLE = 1e-9


def direct_matrix(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """``matrix``, float64[groups, columns, all rows], whole numbers where all cells are at levels, and ``factor``,
    float64[groups, columns]: outputs are factor * matrix @ u / scale of the inputs. For arrays whose currents are
    linear."""
    return _of_levels(arrays) if arrays.whole_levels else _of_cells(arrays)


def _of_levels(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    mapped, columns = arrays.mapped, arrays.columns
    halves = 1 if mapped.centre == int(mapped.centre) else 2
    levels = np.concatenate([arrays.levels(number) for number in range(len(arrays.rows))], axis=-1)
    pairs = levels[:, 0] - levels[:, 1] if arrays.config.differential else levels[:, 0]
    total = np.zeros(pairs.shape[1:], np.int64)
    for index, digits in enumerate(pairs):
        total += mapped.radix**index * digits.astype(np.int64)
    if arrays.config.unit_column:
        matrix = total[:, :columns] - total[:, arrays.unit_column()]
    else:
        matrix = halves * total - int(halves * mapped.centre)
    return matrix.astype(np.float64), mapped.scale[:, :columns] / (mapped.top * halves)


def _of_cells(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    mapped, columns = arrays.mapped, arrays.columns
    currents = np.concatenate([arrays.signals(number).matrix for number in range(len(arrays.rows))], axis=-1)
    sides = currents.reshape(len(currents), -1, arrays.sides, arrays.signal_columns, currents.shape[-1])
    pairs = sides[:, :, 0] - sides[:, :, 1] if arrays.sides == 2 else sides[:, :, 0]
    total = np.einsum("k,gkcr->gcr", mapped.slice_weights, pairs)
    if arrays.config.unit_column:
        matrix = total[:, :columns] - total[:, arrays.unit_column()]
    else:
        matrix = total - mapped.offset
    return matrix, mapped.scale[:, :columns]


def lossless(arrays: Arrays, codes: list[list[AdcCode]], stage: InputStage) -> bool:
    """Whether every current that arrays with all cells at levels can have is exactly a code of its ADC. ``codes``: of
    every row part and slice."""
    inputs, unit = stage.read, stage.read_unit
    if not inputs.whole:
        return False
    step, per_input = arrays.level_steps()
    steps = [
        ratio
        for part in codes
        for code in part
        for ratio in (unit * step / code.step, unit * per_input / code.step, code.zero)
    ]
    if any(abs(ratio - round(ratio)) > NEARLY_WHOLE for ratio in steps):
        return False
    return all(_within(arrays.signals(number), part, unit, inputs) for number, part in enumerate(codes))


def _within(signals: Signals, codes: list[AdcCode], unit: float, inputs: Inputs) -> bool:
    """Whether no current of ``signals`` can leave its slice's ADC range."""
    slices = signals.matrix.reshape(len(signals.matrix), len(codes), -1, signals.matrix.shape[-1])
    for index, code in enumerate(codes):
        weights = signals.step * slices[:, index] + signals.per_input
        above, below = np.maximum(weights, 0).sum(-1), np.maximum(-weights, 0).sum(-1)
        if inputs.signed:  # each row is driven either way
            above = below = above + below
        reach = unit * inputs.largest
        slack = code.step / 4
        if above.max() * reach > code.high + slack or -below.max() * reach < code.low - slack:
            return False
    return True
