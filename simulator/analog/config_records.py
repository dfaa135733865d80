"""The nested records of a `CrossbarConfig`: errors of cells, noise of reading, drift."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProgrammingError:
    """Gaussian error of a programmed cell: ``independent`` in units of Gmax, ``proportional`` in units of the cell's
    own target conductance; their variances add. A conductance stays >= 0."""

    independent: float = 0.0
    proportional: float = 0.0


@dataclass(frozen=True)
class ReadNoise:
    """Gaussian noise of a cell in every read, in the units of `ProgrammingError`. A conductance stays >= 0."""

    independent: float = 0.0
    proportional: float = 0.0


@dataclass(frozen=True)
class ErrorTable:
    """An error whose spread depends on the cell's conductance as measured: ``table`` is ``sonos``, ``pcm``,
    ``rram_wan``, ``rram_milo`` or the path of a CSV file (columns conductance and sigma in one unit). ``full_scale``
    is what Gmax is in the table's unit; None: what the table itself says (`simulator.analog.devices`)."""

    table: str
    full_scale: float | None = None


@dataclass(frozen=True)
class Drift:
    """What happens to cells after programming.

    ``model`` ``"sonos"``: the spread measured ``days`` (0 to 5) after programming, which contains the programming
    error; ``full_scale`` in nA as in `ErrorTable`. ``"power_law"``: g * (time / reference_time) ** -nu with nu drawn
    for every cell from N(exponent, exponent_spread), never below 0.
    """

    model: str
    days: float = 0.0
    full_scale: float | None = None
    time: float = 1.0
    reference_time: float = 1.0
    exponent: float = 0.0
    exponent_spread: float = 0.0
