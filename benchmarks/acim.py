"""Speed of the simulation of SRAM arrays, beside PyTorch on the float network."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.crossbars import Networks
from benchmarks.results import Limit, Result
from benchmarks.timing import Work
from benchmarks.workload import FULL, Workload
from simulator.analog.acim.config import AcimConfig

LOSSY, NOISE = 7, 0.2
CASES: tuple[tuple[str, AcimConfig, float | None], ...] = (
    ("8-bit ADC, lossless", AcimConfig(), 2.0),
    ("7-bit ADC", AcimConfig(adc_bits=LOSSY), 20.0),
    ("8-bit ADC, noise in every conversion", AcimConfig(noise_lsb=NOISE), 60.0),
    ("7-bit ADC, hybrid level 3", AcimConfig(adc_bits=LOSSY, hybrid_level=3), None),
    (
        "7-bit ADC, noise, 3 votes at level 3",
        AcimConfig(adc_bits=LOSSY, noise_lsb=NOISE, voting=3, voting_level=3),
        None,
    ),
    ("8-bit ADC, static errors", AcimConfig(offset_lsb=0.3, gain_sigma=0.01, inl_lsb=0.3), None),
    ("8-bit ADC, 2-bit DAC", AcimConfig(dac_bits=2), None),
)
"""Arrays of 255 rows with 8-bit weights and activations, and the most time as a multiple of PyTorch's."""


def acim(workload: Workload) -> Iterator[Result]:
    """Networks on SRAM arrays of 255 rows: a multiple of PyTorch's eager float32 on as many threads."""
    runs = Networks(workload)
    for name, config, most in CASES:
        # what takes seconds needs no median of many
        repetitions = workload.size.repetitions if config.lossless else min(3, workload.size.repetitions)
        limit = Limit("<=", most) if workload.size == FULL and most is not None else None
        yield runs.to_pytorch(f"W8A8, {name}", _on(runs, config), repetitions, limit)


def _on(runs: Networks, config: AcimConfig) -> Work:
    """Inference of the batch on a network whose arrays are made already."""
    from simulator.analog.acim.network import AcimNetwork

    network = AcimNetwork(runs.graph, config)
    return lambda: network.run(runs.integers)
