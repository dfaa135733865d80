"""What becomes of conductances on the way into the array: programming errors, drift, stuck cells."""

from __future__ import annotations

import numpy as np

from simulator.analog.config import CrossbarConfig
from simulator.analog.config_records import Drift, ErrorTable, ProgrammingError
from simulator.analog.devices import programming_spread, sonos_spread

PROGRAMMING, DRIFT, STUCK = 1, 2, 3


def generator(seed: tuple[int, ...], *place: int) -> np.random.Generator:
    """The generator of one kind of draw in one place: the same whatever else is drawn."""
    return np.random.default_rng(np.random.SeedSequence([len(seed), *seed, *place]))


def has_analog_errors(config: CrossbarConfig) -> bool:
    """Whether cells leave their levels; stuck cells do not."""
    return config.programming_error is not None or config.drift is not None


def programmed(targets: np.ndarray, config: CrossbarConfig, seed: tuple[int, ...], tile: tuple[int, ...]) -> np.ndarray:
    """Conductances of the array ``tile`` aimed at ``targets`` (units of Gmax, any shape), float64, >= 0."""
    conductances = targets
    spread = _spread(targets, config)
    if spread is not None:
        drawn = generator(seed, PROGRAMMING, *tile).standard_normal(targets.shape)
        conductances = np.maximum(targets + spread * drawn, 0)
    drift = config.drift
    if drift is not None and drift.model == "power_law":
        drawn = generator(seed, DRIFT, *tile).standard_normal(targets.shape)
        exponents = np.maximum(drift.exponent + drift.exponent_spread * drawn, 0)
        conductances = conductances * (drift.time / drift.reference_time) ** -exponents
    on, off = stuck_cells(targets.shape, config, seed, tile)
    return np.where(on, 1.0, np.where(off, config.lowest_conductance, conductances))


def stuck_cells(
    shape: tuple[int, ...], config: CrossbarConfig, seed: tuple[int, ...], tile: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Which cells of a tile are stuck at Gmax and at Gmin, bool[shape] each. More stuck cells contain the fewer."""
    if not (config.stuck_on or config.stuck_off):
        return np.zeros(shape, bool), np.zeros(shape, bool)
    drawn = generator(seed, STUCK, *tile).random(shape)
    return drawn < config.stuck_on, drawn >= 1 - config.stuck_off


def _spread(targets: np.ndarray, config: CrossbarConfig) -> np.ndarray | None:
    drift: Drift | None = config.drift
    if drift is not None and drift.model == "sonos":
        return sonos_spread(drift.days, drift.full_scale, targets)
    error: ProgrammingError | ErrorTable | None = config.programming_error
    if error is None:
        return None
    if isinstance(error, ErrorTable):
        return programming_spread(error, targets)
    return np.hypot(error.independent, error.proportional * targets)
