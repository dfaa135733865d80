"""Slices, partitions and pairs on resistive wires, against a nodal solve of every array."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from simulator.analog.array import CrossbarArray
from simulator.analog.config import CrossbarConfig
from tests.simulator.analog.exact_crossbar import split
from tests.simulator.analog.nodal import Wires, crossbar, separate_source

WIRES = Wires(row_resistance=3e-3, column_resistance=5e-3, row_terminal=2e-2, column_terminal=4e-2)


def tile_currents(sides: np.ndarray, u: np.ndarray, topology: str) -> np.ndarray:
    """Sense currents of an array or a pair of arrays, ``sides`` (1 or 2, rows, columns), by their node equations."""
    if topology == "interleaved":
        return np.concatenate([u, -u]) @ crossbar(list(sides), WIRES)
    if topology == "separate_source":
        bits = np.stack([u > 0, u < 0], axis=1)
        each = [separate_source(side, bits, WIRES) @ [1, -1] for side in sides]
    else:
        each = [u @ crossbar([side], WIRES) for side in sides]
    return each[0] - each[1] if len(each) == 2 else each[0]


@pytest.mark.parametrize("errors", [{}, {"stuck_off": 0.2, "programming_error": {"independent": 0.05}}])
@pytest.mark.parametrize("on_off_ratio", [8, "inf"])
@pytest.mark.parametrize(
    ("topology", "mapping"),
    [
        ("input", "differential"),
        ("input", "offset"),
        ("interleaved", "differential"),
        ("separate_source", "differential"),
        ("separate_source", "offset"),
    ],
)
def test_slices_and_partitions_with_wires(
    topology: str, mapping: str, on_off_ratio: Any, errors: dict[str, Any]
) -> None:
    rng = np.random.default_rng(6)
    weights, whole = rng.normal(size=(5, 7)), rng.integers(-7, 8, 7)
    config = CrossbarConfig(
        mapping=mapping,
        topology=topology,
        weight_bits=4,
        slices=2,
        on_off_ratio=on_off_ratio,
        dac_bits=4,
        rows_max=4,
        columns_max=3,
        input_slice_bits=1 if topology == "separate_source" else 0,
        adc_per_input_slice=True,
        **asdict(WIRES),
        **errors,
    )
    array = CrossbarArray(weights, config, 2)
    cells = array.conductances()
    low = config.lowest_conductance
    reach, wm, base, top = 1 - low, np.abs(weights).max(), 4, 7
    if topology == "separate_source":
        drives = [(np.sign(whole) * (abs(whole) >> bit & 1), 2.0**bit / 7) for bit in range(3)]
    else:
        drives = [(whole / 7, 1.0)]
    currents = np.zeros((2, 5))
    for u, share in drives:
        for rows in split(7, 4):
            for columns in split(5, 3):
                for k in range(2):
                    tile = cells[k][:, columns][..., rows].swapaxes(-1, -2)
                    currents[k, columns] += share * tile_currents(tile, u[list(rows)].astype(float), topology)
    if mapping == "offset":
        currents = currents - low * whole.sum() / 7
    expected = (base - 1) * (currents[0] + base * currents[1]) / reach / top * wm
    expected -= 8 / 7 * wm * whole.sum() / 7 if mapping == "offset" else 0.0
    np.testing.assert_allclose(array.mvm(whole / 7.0), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert np.abs(expected - weights @ whole / 7).max() > 1e-3 * np.abs(expected).max()
