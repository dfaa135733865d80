"""The whole ResNet-18 topology, narrow and small: exported, compiled, simulated, compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import apc
from apc.accounting import Accounts
from apc.driver import RunResult, run_model
from examples.drawn import export
from examples.resnet18 import build
from ir.program import Program

Network = tuple[Program, dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """The program, loaded from its file, and two images."""
    folder: Path = tmp_path_factory.mktemp("resnet18")
    model, crops = build(size=32, width=8, num_classes=10, density=0.2, seed=1)
    proto, images = export(model, crops, batch=2, seed=1)
    onnx.save(proto, folder / "resnet18.onnx")
    apc.save(apc.compile(folder / "resnet18.onnx"), folder / "resnet18.apc")
    return apc.load(folder / "resnet18.apc"), {"input": images}


@pytest.fixture(scope="session")
def result(network: Network) -> RunResult:
    return run_model(*network, check="reference")


def test_every_layer_is_in_the_program(network: Network) -> None:
    program, _ = network
    kinds = [layer.op for layer in program.layers]
    assert kinds.count("conv") == 21 and kinds.count("max_pool") == 1 and kinds.count("sum_pool") == 1
    assert {step["operator"] for step in program.host_steps} == {"quantise input", "dequantise output"}


def test_no_element_differs_from_the_reference(result: RunResult, network: Network) -> None:
    program, _ = network
    assert result.check is not None and result.check.mismatches == 0
    assert len(result.check.layers) == len(program.layers)
    assert result.check.elements == sum(2 * t.channels * t.positions for t in program.tensors if t.producer >= 0)


def test_onnxruntime_agrees(network: Network) -> None:
    check = run_model(*network, check="onnxruntime").check
    assert check is not None and check.elements == 20
    assert check.mismatches <= check.elements / 1000


def test_counts_are_known_before_the_run(result: RunResult, network: Network) -> None:
    accounts = Accounts(network[0])
    for statics, counters in zip(accounts.layers(), result.simulation.layers, strict=True):
        totals = counters.totals()
        assert statics.search_passes == totals["search_passes"] + totals["source_search_passes"]
        assert statics.write_passes == totals["write_passes"]
        assert statics.shift_steps == totals["shift_steps"] + totals["source_shift_steps"]
    counted = sum(int(layer.written_bits.sum()) for layer in result.simulation.layers)
    assert 0.5 < sum(accounts.expected_written_bits(2)) / counted < 3
