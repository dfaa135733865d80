"""The arrays that a cost target stands for, against a crossbar written out in numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from apc.array_configs import crossbar_config
from apc.comparison.accuracy import accuracy_of, array_classes
from apc.comparison.data import Data, run_data
from backends.crossbar.target import load_crossbar
from backends.sram_acim.target import load_acim
from ir.errors import UserError
from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.crossbar_network import CrossbarNetwork
from tests.graphs import add_input, add_output, program_of

ROWS, OUTPUTS, IMAGES = 12, 6, 40


def network(weights: np.ndarray, bits: int = 4, signed: bool = False, zero_point: int = 0) -> Graph:
    """One matrix product: x (N, rows, 1, 1) -> (N, outputs, 1, 1)."""
    graph = Graph("one")
    x = add_input(graph, "x", (weights.shape[1], 1, 1), bits, signed)
    graph.add("fc", Conv(weights[:, :, None, None], zero_point=zero_point), (x,))
    add_output(graph, "fc")
    return graph


def data_of(graph: Graph, low: int, high: int) -> Data:
    inputs = {"x": np.random.default_rng(1).integers(low, high + 1, (IMAGES, *graph.type("x").shape))}
    return run_data(program_of(graph), graph, inputs, None, batch=8, threads=1)


def config(overrides: list[str], weights: np.ndarray) -> dict[str, Any]:
    op = Conv(weights[:, :, None, None])
    return crossbar_config(op.weights, load_crossbar("crossbar-neurosim", overrides), signed=False).as_table()


TERNARY = np.array([[1, 0, -1], [0, -1, 1]])
BINARY = np.array([[1, -1], [-1, -1]])
BYTES = np.array([[127, -3], [-127, 100]])


@pytest.mark.parametrize(
    ("overrides", "weights", "expected"),
    [
        ([], TERNARY, {"mapping": "offset", "weight_bits": 2, "slices": 1, "cell_bits": 2}),
        (["cell_bits=1"], TERNARY, {"weight_bits": 2, "slices": 2, "cell_bits": 0}),
        (
            ["mapping=differential"],
            TERNARY,
            {"weight_bits": 2, "slices": 1, "cell_bits": 1, "subtract_in_analog": False, "adc_sign_magnitude": False},
        ),
        (
            ["mapping=differential", "subtract_in_analog=true", "adc_range=max"],
            TERNARY,
            {"weight_bits": 2, "subtract_in_analog": True, "adc_sign_magnitude": True, "adc_range": [-31.0, 31.0]},
        ),
        ([], BYTES, {"weight_bits": 8, "slices": 4, "cell_bits": 0, "adc_sign_magnitude": False}),
        (["cell_bits=4", "mapping=differential"], BYTES, {"weight_bits": 8, "slices": 2}),
        (["cell_bits=8"], BYTES, {"weight_bits": 8, "slices": 1, "cell_bits": 8}),
        (["weight_bits=8"], TERNARY, {"weight_bits": 8, "slices": 4}),
        ([], BINARY, {"binary_mapping": "offset_cell"}),
        (["mapping=differential"], BINARY, {"binary_mapping": "two_columns"}),
        (["adc_bits=5", "on_off_ratio=3"], BYTES, {"adc_bits": 5, "on_off_ratio": 3.0}),
        (["adc_bits=5", "on_off_ratio=20"], BYTES, {"on_off_ratio": "inf"}),  # 2/20 is less than half a code
        (
            ["adc_bits=5", "on_off_ratio=1e9", "adc_range=max"],
            BYTES,
            {"adc_range": [0.0, 31 * (1 / 3)]},
        ),  # a code a level
        (
            ["adc_bits=2", "on_off_ratio=1e9", "adc_range=max"],
            BYTES,
            {"adc_range": [0.0, 2.0]},
        ),  # not enough of them: two rows
        (["rows=64", "columns=32"], BYTES, {"rows_max": 64, "columns_max": 32}),
        (["rows_parallel=16"], BYTES, {"rows_max": 16}),
        (["activation_bits=4"], BYTES, {"dac_bits": 4, "input_slice_bits": 1, "adc_per_input_slice": True}),
    ],
)
def test_cells_and_converters(overrides: list[str], weights: np.ndarray, expected: dict[str, Any]) -> None:
    found = config(overrides, weights)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("mapping", ["offset", "differential"])
@pytest.mark.parametrize(("bits", "signed", "zero_point"), [(4, False, 0), (4, True, 0), (4, False, 5)])
def test_fine_converters_find_the_exact_classes(mapping: str, bits: int, signed: bool, zero_point: int) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (OUTPUTS, ROWS))
    graph = network(weights, bits, signed, zero_point)
    data = data_of(graph, graph.graph_inputs[0].lo, graph.graph_inputs[0].hi)
    target = load_crossbar("crossbar-neurosim", ["adc_bits=16", f"mapping={mapping}"])
    np.testing.assert_array_equal(array_classes(graph, target, data, threads=1), data.classes)


@pytest.mark.parametrize("mapping", ["offset", "differential"])
@pytest.mark.parametrize("signed", [False, True])
def test_enough_codes_lose_nothing(mapping: str, signed: bool) -> None:
    """129 levels of a column of 128 one-bit cells, 257 where inputs are signed too."""
    weights = np.random.default_rng(0).integers(-127, 128, (OUTPUTS, 300))
    graph = network(weights, 5, signed)
    x = np.random.default_rng(1).integers(-15 if signed else 0, 16, (IMAGES, 300, 1, 1))
    target = load_crossbar("crossbar-sram-22nm", [f"mapping={mapping}", f"adc_bits={8 + signed}"])
    found = CrossbarNetwork(graph, lambda _, op: crossbar_config(op.weights, target, signed)).run({"x": x})["fc"]
    np.testing.assert_array_equal(found.reshape(IMAGES, OUTPUTS), x.reshape(IMAGES, 300) @ weights.T)


def by_hand(weights: np.ndarray, x: np.ndarray, adc_bits: int, on_off: float) -> np.ndarray:
    """Weight -1, 0 or 1 in the upper three of the four levels of a 2-bit cell, a bit of x at a time, a conversion of
    each column over [0, rows], the current of weight 0 subtracted digitally."""
    step, levels = (1 - 1 / on_off) / 3, 2**adc_bits - 1
    cells = 1 + step * (weights - 1)
    result = np.zeros((len(x), len(weights)))
    for plane in range(4):
        driven = (x >> plane) & 1
        current = np.rint(driven @ cells.T * levels / ROWS) * ROWS / levels
        result += (current - (1 - step) * driven.sum(axis=1, keepdims=True)) / step * 2**plane
    return result


@pytest.mark.parametrize("adc_bits", [3, 4, 5])
def test_coarse_converters_against_a_crossbar_by_hand(adc_bits: int) -> None:
    random = np.random.default_rng(2)
    weights = np.stack([random.permutation(np.repeat([-1, 0, 1], ROWS // 3)) for _ in range(OUTPUTS)])
    graph = network(weights)
    data = data_of(graph, 0, 15)
    target = load_crossbar("crossbar-neurosim", [f"adc_bits={adc_bits}", "on_off_ratio=17", "adc_range=max"])
    wanted = by_hand(weights, data.integers["x"].reshape(IMAGES, ROWS), adc_bits, 17)
    found = array_classes(graph, target, data, threads=1)
    np.testing.assert_allclose(wanted[np.arange(IMAGES), found], wanted.max(axis=1), rtol=1e-9)
    assert len(set(data.classes)) == OUTPUTS
    assert (found != data.classes).any()


def test_calibrated_converters_see_the_first_images() -> None:
    weights = np.random.default_rng(3).integers(-1, 2, (OUTPUTS, ROWS))
    graph = network(weights)
    data = data_of(graph, 0, 15)
    target = load_crossbar("crossbar-neurosim", ["adc_bits=10", "adc_range=calibrated", "mapping=differential"])
    assert (array_classes(graph, target, data, threads=1) == data.classes).mean() > 0.9


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["weight_bits=1"], "layer fc: workload.weight_bits is 1, but the layer has weights other than"),
        (
            ["adc_bits=1", "mapping=differential", "subtract_in_analog=true"],
            "layer fc: adc_bits = 1: sign and magnitude need at least 2 bits",
        ),
    ],
)
def test_arrays_that_cannot_hold_the_network(overrides: list[str], message: str) -> None:
    graph = network(TERNARY)
    target = load_crossbar("crossbar-neurosim", overrides)
    with pytest.raises(UserError, match=f"crossbar-neurosim with .*, {message}"):
        array_classes(graph, target, data_of(graph, 0, 15), threads=1)


@pytest.mark.parametrize(("bits", "signed", "zero_point"), [(4, False, 0), (4, True, 0), (4, False, 5)])
def test_lossless_sram_finds_the_exact_classes(bits: int, signed: bool, zero_point: int) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (OUTPUTS, 300))
    graph = network(weights, bits, signed, zero_point)
    data = data_of(graph, graph.graph_inputs[0].lo, graph.graph_inputs[0].hi)
    np.testing.assert_array_equal(array_classes(graph, load_acim("acim-22nm"), data, threads=1), data.classes)


def sram_by_hand(weights: np.ndarray, x: np.ndarray, adc_bits: int, level: int) -> np.ndarray:
    """Weights of 3 bits in two's complement, a bit of x at a time, 15 rows full scale."""
    top, result = 2**adc_bits - 1, np.zeros((len(x), len(weights)))
    for bit, digit in itertools.product(range(3), range(4)):
        sums = ((x >> digit) & 1) @ ((weights >> bit) & 1).T
        seen = sums if bit + digit > 3 + 4 - 2 - level else np.rint(sums / 15 * top) * 15 / top
        result += seen * 2**digit * (-4 if bit == 2 else 2**bit)
    return result


@pytest.mark.parametrize("level", [0, 3])
def test_lossy_sram_against_an_array_by_hand(level: int) -> None:
    weights = np.random.default_rng(2).integers(-4, 4, (OUTPUTS, ROWS))
    graph = network(weights)
    data = data_of(graph, 0, 15)
    target = load_acim("acim-28nm", ["rows=15", "adc_bits=2", f"hybrid_level={level}"])
    wanted = sram_by_hand(weights, data.integers["x"].reshape(IMAGES, ROWS), 2, level)
    found = array_classes(graph, target, data, threads=1)
    np.testing.assert_allclose(wanted[np.arange(IMAGES), found], wanted.max(axis=1), rtol=1e-9)
    assert (found != data.classes).any()


def test_noise_of_a_target_is_the_same_again() -> None:
    graph = network(np.random.default_rng(0).integers(-2, 3, (OUTPUTS, ROWS)))
    data = data_of(graph, 0, 15)
    noisy = load_acim("acim-22nm", ["noise_lsb=40"])
    first, second = (array_classes(graph, noisy, data, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != data.classes).any()


def test_sram_that_cannot_hold_the_network() -> None:
    graph = network(BYTES)
    with pytest.raises(UserError, match="acim-22nm with weight_bits=4, layer fc: "):
        array_classes(graph, load_acim("acim-22nm", ["weight_bits=4"]), data_of(graph, 0, 15), threads=1)
    narrow, wide = (load_acim("acim-22nm", [f"activation_bits={bits}"]) for bits in (3, 5))
    data = data_of(graph, 0, 15)
    with pytest.raises(UserError, match="layer fc: workload.activation_bits is 3, but the layer's inputs have 4: "):
        array_classes(graph, narrow, data, threads=1)
    np.testing.assert_array_equal(array_classes(graph, wide, data, threads=1), data.classes)


def test_shares_of_images() -> None:
    classes, exact, labels = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 3]), np.array([0, 0, 0, 0])
    found = accuracy_of(classes, exact, labels)
    assert found.images == 4 and found.agreement.mean == 0.75
    assert found.accuracy is not None and found.accuracy.mean == 0.25 and found.accuracy.method == "wilson"
    assert accuracy_of(classes, exact, None).accuracy is None
