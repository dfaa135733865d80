"""What hardware gets wrong in a layer's sums: expected values and variances, element by element."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from apc.nn.engines import AcimEngine, Engine, Software, build_engine
from apc.nn.simulated import SimulatedLayer
from simulator.analog.acim.code_statistics import code_distribution, vote_distribution
from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.layer import AcimLayer
from simulator.analog.acim.predictor import layer_error


@dataclass(frozen=True, eq=False)
class SumErrors:
    """Of the differences from the exact sums W * x, in their units: float64 (N, Cout, H', W').

    ``mean``: what every call gets wrong alike; ``variance``: of what differs from call to call, and is independent of
    other elements; ``code_error``: probability that a conversion gives another code than without noise and static
    errors, None where that is not known; ``observed``: ``mean`` is what one call got wrong, noise with it.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    code_error: float | None
    observed: bool


def sum_errors(layer: SimulatedLayer, images: torch.Tensor) -> SumErrors:
    """Of what ``layer`` makes of ``images``, integers (N, Cin, H, W).

    In SRAM arrays in closed form: every conversion's sum has its mean code and variance under noise and votes. Static
    errors are those of the layer's own arrays, taken from a call without noise. Of other hardware, as observed.
    """
    engine = layer.engine
    exact = _programmed(layer, Software())(images, first_image=0).double()
    nothing = torch.zeros_like(exact)
    if engine.is_ideal:
        return SumErrors(nothing, nothing, 0.0, False)
    if not isinstance(engine, AcimEngine):
        return SumErrors(engine(images, first_image=0).double() - exact, nothing, None, True)
    config = replace(engine.layer.config, offset_lsb=0.0, gain_sigma=0.0, inl_lsb=0.0)
    mean, variance = _conversions(engine.layer, config, images, exact.shape)
    if engine.layer.config.static_errors:
        silent = replace(engine.layer.config, noise_lsb=0.0, noise_percent_fs=0.0)
        mean += _programmed(layer, silent)(images, first_image=0).double()
        mean -= _programmed(layer, replace(config, noise_lsb=0.0, noise_percent_fs=0.0))(images, first_image=0).double()
    return SumErrors(mean, variance, code_error(engine.layer, images), False)


def code_error(arrays: AcimLayer, images: torch.Tensor) -> float:
    """Probability that a conversion of ``images`` gives another code than without noise and static errors."""
    if arrays.shortcut:
        return 0.0
    return layer_error(arrays.config, arrays.mac_histogram(images), arrays.tiles).code_error


def _programmed(layer: SimulatedLayer, hardware: Software | AcimConfig) -> Engine:
    """The layer's weights in other hardware, with the layer's own seed."""
    kernel = layer.kernel(layer.programmed().levels).cpu().numpy()
    return build_engine(hardware, kernel, layer.geometry, layer.input_low, layer.input_high, layer.seed)


def _conversions(
    arrays: AcimLayer, config: AcimConfig, images: torch.Tensor, shape: torch.Size
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of the errors that all conversions of an element add up to, of ``shape``."""
    tables = {votes: _tables(config, votes) for votes in {1, config.voting}}
    mean, variance = np.zeros((2, *shape[:2], shape[2] * shape[3]))
    for number in range(len(images)):
        macs = arrays.macs(images[number : number + 1])[0]
        for i in range(config.weight_bits):
            for j in range(config.digits):
                votes, weight = config.cycles.votes(i, j), 2.0 ** (i + config.dac_bits * j)
                if votes:
                    sign = -1.0 if i == config.weight_bits - 1 else 1.0
                    of_mean, of_variance = tables[votes]
                    mean[number] += sign * weight * of_mean[macs[:, :, i, j]].sum(1)
                    variance[number] += weight**2 * of_variance[macs[:, :, i, j]].sum(1)
    return torch.from_numpy(mean).reshape(shape), torch.from_numpy(variance).reshape(shape)


def _tables(config: AcimConfig, votes: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every sum from 0 to full scale, mean and variance of what the code that wins stands for, less the sum."""
    macs, unit = np.arange(config.full_scale + 1), config.full_scale / config.top_code
    first, single = code_distribution(
        macs * config.top_code / config.full_scale, config.noise_sigma_lsb, config.top_code
    )
    winner = vote_distribution(single, votes, config.voting_rule)
    codes = first[:, None] + np.arange(winner.shape[1])
    mean = (winner * codes).sum(1)
    variance = (winner * (codes - mean[:, None]) ** 2).sum(1)
    return mean * unit - macs, variance * unit**2
