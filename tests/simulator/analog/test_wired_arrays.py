"""Slices, partitions and pairs on resistive wires, against a nodal solve of every array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.analog.array import CrossbarArray
from simulator.analog.config import CrossbarConfig
from tests.simulator.analog.exact_crossbar import split

WIRES = {"row_resistance": 3e-3, "column_resistance": 5e-3, "row_terminal": 2e-2, "column_terminal": 4e-2}


class Circuit:
    """Resistors between nodes, some of which have known voltages."""

    def __init__(self) -> None:
        self.resistors: list[tuple[Any, Any, float]] = []
        self.known: dict[Any, float] = {"ground": 0.0}

    def join(self, a: Any, b: Any, conductance: float) -> None:
        self.resistors.append((a, b, conductance))

    def current_into_ground(self) -> float:
        names = list(dict.fromkeys(node for a, b, _ in self.resistors for node in (a, b) if node not in self.known))
        place = {name: index for index, name in enumerate(names)}
        matrix, right = np.zeros((len(names), len(names))), np.zeros(len(names))
        for one, other, g in self.resistors:
            for a, b in ((one, other), (other, one)):
                if a in place:
                    matrix[place[a], place[a]] += g
                    if b in place:
                        matrix[place[a], place[b]] -= g
                    else:
                        right[place[a]] += g * self.known[b]
        voltages = np.linalg.solve(matrix, right)
        value = {**self.known, **dict(zip(names, voltages, strict=True))}
        return float(sum(g * (value[a] - value[b]) for a, b, g in self.resistors if b == "ground"))


def column_currents(cells: np.ndarray, u: np.ndarray, topology: str) -> np.ndarray:
    """``cells`` (rows, columns) with topology input; (2, rows, columns) interleaved; gated by bits ``u`` otherwise."""
    c = cells if topology == "interleaved" else cells[None]
    result = []
    for column in range(c.shape[2]):
        circuit = Circuit()
        _rows(circuit, c, u, topology)
        wire = range(c.shape[1])
        for i in wire:
            end = i == c.shape[1] - 1
            r = WIRES["column_resistance"] + (WIRES["column_terminal"] if end else 0)
            for j in range(c.shape[2]):
                sink = ("ground" if j == column else "other") if end else ("column", i + 1, j)
                circuit.join(("column", i, j), sink, 1 / r)
        circuit.known["other"] = 0.0
        result.append(circuit.current_into_ground())
    return np.array(result)


def _rows(circuit: Circuit, c: np.ndarray, u: np.ndarray, topology: str) -> None:
    sides, rows, columns = c.shape
    if topology == "separate_source":
        circuit.known["supply"] = 1.0
        for j in range(columns):
            for i in range(rows):
                before = ("source", i - 1, j) if i else "supply"
                circuit.join(
                    before, ("source", i, j), 1 / (WIRES["row_resistance"] + (0 if i else WIRES["row_terminal"]))
                )
                if u[i]:
                    circuit.join(("source", i, j), ("column", i, j), c[0, i, j])
        return
    for side in range(sides):
        for i in range(rows):
            circuit.known["drive", side, i] = u[i] if side == 0 else -u[i]
            for j in range(columns):
                before = ("row", side, i, j - 1) if j else ("drive", side, i)
                r = WIRES["row_resistance"] + (0 if j else WIRES["row_terminal"])
                circuit.join(before, ("row", side, i, j), 1 / r)
                circuit.join(("row", side, i, j), ("column", i, j), c[side, i, j])


def tile_currents(pair: np.ndarray, u: np.ndarray, topology: str) -> np.ndarray:
    """``pair``: (sides, rows, columns)."""
    if topology == "interleaved":
        return column_currents(pair, u, topology)
    if topology == "separate_source":
        both = [column_currents(side, u > 0, topology) - column_currents(side, u < 0, topology) for side in pair]
    else:
        both = [column_currents(side, u, topology) for side in pair]
    return both[0] - both[1] if len(both) == 2 else both[0]


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
        **WIRES,
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
