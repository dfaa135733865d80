"""Speed of the crossbar simulation, beside PyTorch on the float network and layers of the same shapes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from benchmarks.results import Limit, Result
from benchmarks.timing import Work, in_turn
from benchmarks.workload import FULL, Workload
from simulator.analog.config import CrossbarConfig

BATCH = 4
WHOLE = CrossbarConfig(
    cell_bits=7, dac_bits=8, dac_signed=False, adc_bits=8, adc_range="calibrated", rows_max=1152, weight_bits=8
)
"""8-bit weights as differential pairs, 8-bit DAC and ADC, 1152 rows."""
SLICED = replace(WHOLE, cell_bits=0, slices=4, input_slice_bits=1)
ERRORS = replace(WHOLE, programming_error={"independent": 0.05})
OFFSET = replace(WHOLE, mapping="offset", cell_bits=8)
FEW_ROWS = replace(WHOLE, rows_max=144)
PARASITICS = {"row_resistance": 1e-5, "column_resistance": 1e-5}


def crossbars(workload: Workload) -> Iterator[Result]:
    """Networks on crossbars: a multiple of PyTorch's eager float32 on as many threads; parasitics; programming."""
    full = workload.size == FULL
    runs = Networks(workload)
    for name, config, most in (
        ("8-bit weights, DAC and ADC, 1152 rows", WHOLE, 3.0),
        ("the same with 4 weight slices x 8 input slices", SLICED, 60.0),
        ("the same with an offset", OFFSET, None),
        ("the same with 144 rows", FEW_ROWS, None),
        ("the same with programming errors", ERRORS, None),
    ):
        limit = Limit("<=", most) if full and most is not None else None
        yield runs.to_pytorch(name, runs.on(config), workload.size.repetitions, limit)
    with_wires, without = in_turn(_layer(workload, **PARASITICS), _layer(workload), workload.size.repetitions)
    ratio = statistics.median(a / b for a, b in zip(with_wires, without, strict=True))
    note = f"{1e3 * statistics.median(with_wires):.1f} ms an image with wires of 1e-5 Rmin"
    limit = Limit("<=", 3.0) if full else None
    yield Result("conv 64 to 64, 3x3, 56x56: with parasitics to without", ratio, "x", limit, note)
    seconds = statistics.median(_programming_s() for _ in range(workload.size.repetitions))
    yield Result("programming a 256x256 array with parasitics", seconds, "s", Limit("<=", 0.5) if full else None)


class Networks:
    """ResNet-18 with 8-bit weights and activations, on PyTorch and on simulated arrays."""

    def __init__(self, workload: Workload) -> None:
        import torch

        from apc.frontend import load_graph
        from apc.quantize import quantize_model
        from examples.common import to_onnx
        from examples.drawn import settle
        from examples.resnet18 import resnet18

        size = workload.size
        torch.set_num_threads(size.threads)
        torch.manual_seed(0)
        self.network = resnet18(size.classes, size.width)
        self.images = workload.images(BATCH)
        settle(self.network, self.images)
        proto = to_onnx(self.network, torch.from_numpy(self.images[:1]))
        quantised = quantize_model(proto, weights="int8", activations=8, calibration={"input": self.images})
        self.graph = load_graph(quantised.model).graph

    def on(self, config: CrossbarConfig) -> Work:
        """Inference of the batch on a network that is programmed and calibrated already."""
        from simulator.analog.crossbar_network import CrossbarNetwork

        network = CrossbarNetwork(self.graph, config)
        network.calibrate(self.integers)
        return lambda: network.run(self.integers)

    def to_pytorch(self, name: str, work: Work, repetitions: int, limit: Limit | None) -> Result:
        """The time of ``work`` on the batch, as a multiple of PyTorch's."""
        ours, peer = in_turn(work, self.peer, repetitions)
        ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
        each = [1e3 * statistics.median(times) / BATCH for times in (ours, peer)]
        measure = f"ResNet-18, batch of {BATCH}: {name}, to PyTorch float32"
        return Result(measure, ratio, "x", limit, f"{each[0]:.1f} ms; PyTorch {each[1]:.1f} ms")

    def peer(self) -> object:
        import torch

        with torch.inference_mode():
            return self.network(torch.from_numpy(self.images)).numpy()

    @cached_property
    def integers(self) -> dict[str, np.ndarray]:
        from ir.boundary import quantise_input

        return {entry.name: quantise_input(entry, self.images) for entry in self.graph.graph_inputs}


def _layer(workload: Workload, **changes: float) -> Work:
    """One image through a layer that is programmed and calibrated already."""
    import torch

    from simulator.analog.layer import CrossbarLayer, Geometry

    generator = np.random.default_rng(0)
    weights = np.clip(np.rint(generator.normal(0, 40, (64, 64, 3, 3))), -127, 127)
    side = 56 if workload.size == FULL else 14
    x = torch.from_numpy(generator.integers(0, 256, (1, 64, side, side)).astype(np.float32))
    config = replace(WHOLE, rows_max=144, **changes)
    layer = CrossbarLayer(weights, config, geometry=Geometry(pads=(1, 1, 1, 1)), seed=0, input_range=(0, 255))
    layer.calibrate(x)
    return lambda: layer(x)


def _programming_s() -> float:
    from simulator.analog.parasitics import effective_conductances

    conductances = np.random.default_rng(0).random((256, 256))
    started = time.perf_counter()
    effective_conductances(conductances, row_resistance=1e-4, column_resistance=1e-4)
    return time.perf_counter() - started
