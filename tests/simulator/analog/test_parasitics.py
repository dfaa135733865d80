"""Effective conductances and ladders against the node equations, solved by sparse factors."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analog import nested
from simulator.analog.parasitics import effective_conductances, effective_interleaved, separate_source_currents
from tests.simulator.analog.nodal import Wires, crossbar, separate_source
from tests.simulator.analog.one_thread import one_thread

RESISTANCES = (0.0, 1e-7, 1e-5, 1e-3, 1e-1)
SHAPES = ((1, 1), (1, 13), (21, 1), (8, 8), (9, 20), (33, 17))


def cells(shape: tuple[int, ...], on_off: float, seed: int = 0) -> np.ndarray:
    """Conductances of which some are at their least: 0 where ``on_off`` is infinite."""
    rng = np.random.default_rng(seed)
    level = np.where(rng.random(shape) < 0.3, 0.0, rng.random(shape))
    return 1 / on_off + (1 - 1 / on_off) * level


def close(actual: np.ndarray, expected: np.ndarray, relative: float = 1e-9) -> bool:
    return bool(np.max(np.abs(actual - expected)) <= relative * np.max(np.abs(expected)))


def effective(g: np.ndarray, wires: Wires) -> np.ndarray:
    return effective_conductances(g, **asdict(wires))


@pytest.mark.parametrize("on_off", [10.0, np.inf])
@pytest.mark.parametrize("row", RESISTANCES)
@pytest.mark.parametrize("column", RESISTANCES)
def test_wires_of_any_resistance_agree_with_the_node_equations(row: float, column: float, on_off: float) -> None:
    for shape in SHAPES:
        g = cells(shape, on_off) + (shape == (1, 1)) * 0.5
        assert close(effective(g, Wires(row, column)), crossbar([g], Wires(row, column))), shape


@pytest.mark.parametrize("wires", [Wires(0, 0, 0.1, 0.2), Wires(1e-3, 1e-3, 0.1, 0), Wires(1e-4, 0, 0, 0.3)])
def test_terminals_are_in_the_segments_of_the_driver_and_the_sense(wires: Wires) -> None:
    g = cells((19, 12), np.inf)
    assert close(effective(g, wires), crossbar([g], wires))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 24),
    st.integers(1, 24),
    st.tuples(*[st.one_of(st.just(0.0), st.floats(1e-6, 10.0))] * 4),
    st.sampled_from([2.0, 1e3, np.inf]),
    st.integers(0, 1000),
)
def test_any_array_agrees_with_the_node_equations(
    rows: int, columns: int, resistances: tuple[float, ...], on_off: float, seed: int
) -> None:
    g, wires = cells((rows, columns), on_off, seed), Wires(*resistances)
    assert close(effective(g, wires), crossbar([g], wires))


def test_a_large_array_agrees_with_the_node_equations() -> None:
    g, wires = cells((70, 43), 100.0), Wires(3e-4, 1e-4, 1e-3, 2e-3)
    assert close(effective(g, wires), crossbar([g], wires), 1e-12)


def test_one_cell_is_in_series_with_its_wires() -> None:
    geff = effective(np.array([[0.5]]), Wires(0.1, 0.2, 0.3, 0.4))
    np.testing.assert_allclose(geff, 1 / (1 / 0.5 + 1.0), rtol=1e-14)


def test_no_resistance_leaves_conductances_as_they_are() -> None:
    g = cells((12, 7), np.inf)
    geff = effective(g, Wires())
    assert geff is not g and np.array_equal(geff, g)
    assert np.array_equal(effective(np.zeros((9, 9)), Wires(1.0, 1.0)), np.zeros((9, 9)))


def test_units_of_resistance_do_not_matter() -> None:
    g = cells((40, 30), 10.0)
    geff = effective(g, Wires(1e-3, 2e-3, 0.1, 0.0))
    assert close(effective(g * 1e-6, Wires(1e3, 2e3, 1e5, 0.0)) * 1e6, geff, 1e-12)


@pytest.mark.parametrize("on_off", [10.0, np.inf])
@pytest.mark.parametrize("wires", [Wires(1e-3, 1e-3), Wires(0, 1e-2, 0.1, 0.1), Wires(1e-2, 0), Wires(0, 0, 0.1, 0.2)])
def test_interleaved_pairs_share_a_node_of_their_column(wires: Wires, on_off: float) -> None:
    for shape in ((1, 1), (7, 5), (20, 33)):
        plus, minus = cells(shape, on_off, 1) + 0.1, cells(shape, on_off, 2)
        both = crossbar([plus, minus], wires)
        expected = both[: shape[0]] - both[shape[0] :]
        assert close(effective_interleaved(plus, minus, **asdict(wires)), expected, 1e-10)


def test_arrays_solved_together_are_those_solved_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    g, wires = cells((2, 3, 37, 20), 20.0), Wires(1e-3, 2e-3)
    g[0, 1] = 0.0
    together = effective(g, wires)
    assert together.shape == g.shape
    alone = np.array([[effective(g[i, j], wires) for j in range(3)] for i in range(2)])
    assert np.array_equal(together, alone)
    monkeypatch.setattr(nested, "MEMORY_BYTES", 1)
    assert np.array_equal(effective(g, wires), together)


def test_threads_do_not_matter() -> None:
    g, wires = cells((60, 50), 20.0), Wires(1e-3, 2e-3)
    bits = np.random.default_rng(0).random((60, 40)) < 0.5
    expected = effective(g, wires), separate_source_currents(g, bits, **asdict(wires))
    with one_thread():
        alone = effective(g, wires), separate_source_currents(g, bits, **asdict(wires))
    assert all(np.array_equal(a, b) for a, b in zip(alone, expected, strict=True))


@pytest.mark.parametrize("row", RESISTANCES)
@pytest.mark.parametrize("column", RESISTANCES)
@pytest.mark.parametrize("terminals", [(0.0, 0.0), (0.2, 0.03)])
def test_ladders_agree_with_the_node_equations(row: float, column: float, terminals: tuple[float, float]) -> None:
    rng = np.random.default_rng(3)
    for rows in (1, 2, 23):
        g, bits = cells((rows, 3), np.inf) + 0.01, rng.random((rows, 3)) < 0.6
        bits[:, 0] = True
        wires = Wires(row, column, *terminals)
        assert close(separate_source_currents(g, bits, **asdict(wires)), separate_source(g, bits, wires))


def test_ladders_without_resistance_add_what_is_on() -> None:
    g, bits = cells((70, 9), 10.0), np.random.default_rng(1).random((70, 30)) < 0.3
    bits[:, 0] = False
    np.testing.assert_allclose(separate_source_currents(g, bits), g.T @ bits, rtol=1e-14)
    assert not separate_source_currents(g, bits, row_resistance=0.1, column_resistance=0.1)[:, 0].any()


def test_an_input_of_a_ladder_does_not_depend_on_the_others() -> None:
    g, bits = cells((70, 9), 10.0), np.random.default_rng(1).random((70, 30)) < 0.3
    currents = separate_source_currents(g, bits, row_resistance=1e-3, column_resistance=1e-2)
    one = separate_source_currents(g, bits[:, 7:8].astype(np.uint8), row_resistance=1e-3, column_resistance=1e-2)
    assert np.array_equal(currents[:, 7:8], one)


def test_bits_of_another_height_are_refused() -> None:
    with pytest.raises(ValueError, match="bits have 5 rows where the array has 4"):
        separate_source_currents(np.ones((4, 2)), np.ones((5, 2), bool))
