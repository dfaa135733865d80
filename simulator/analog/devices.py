"""Spreads of measured devices, as a function of the conductance aimed at.

Fits as CrossSim v3.2.0 gives them (its device folder): SONOS: Agrawal et al., IEDM 2022 (40 nm); PCM: Joshi et al.,
Nature Communications 2020; RRAM: Wan et al., Nature 2022, and Milo et al., IRPS 2021. A conductance of 1 (Gmax) is
``full_scale`` in the table's own unit, and the spread is divided by the same.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from pathlib import Path

import numpy as np

from simulator.analog.config import CrossbarConfigError
from simulator.analog.config_records import ErrorTable

# Where nothing else is said. SONOS: 1.6 uA at full conductance (Xiao et al., arXiv 2109.01262); the others: the
# highest conductance that was measured, in uS.
FULL_SCALE = {"sonos": 1600.0, "pcm": 25.0, "rram_wan": 39.26, "rram_milo": 225.0}
SONOS_BY_DAY = (
    (19.88665, 176.3115),
    (25.59102, 186.85544),
    (28.72753, 193.56834),
    (31.04318, 198.90332),
    (33.76214, 204.77023),
    (34.57909, 207.34309),
)
SONOS_READ = (12.58037, 215.36557)
_POLYNOMIALS = {
    "pcm": (-0.00178767, 0.07585724, 0.28638599),
    "rram_wan": (1.536e-4, -1.167e-2, 0.2374, 1.053),
    "rram_milo": (-0.009107, 4.782321),
}


def programming_spread(table: ErrorTable, conductance: np.ndarray) -> np.ndarray:
    """Standard deviation, in units of Gmax, of cells programmed to ``conductance`` (units of Gmax)."""
    if table.table == "sonos":
        return sonos_spread(0.0, table.full_scale, conductance)
    if table.table in _POLYNOMIALS:
        full = table.full_scale or FULL_SCALE[table.table]
        return np.maximum(np.polyval(_POLYNOMIALS[table.table], conductance * full), 0) / full
    return _interpolated(table, conductance)


def read_spread(table: ErrorTable, conductance: np.ndarray) -> np.ndarray:
    """Standard deviation, in units of Gmax, of one read of ``conductance`` (units of Gmax)."""
    if table.table == "sonos":
        return _saturating(SONOS_READ, table.full_scale or FULL_SCALE["sonos"], conductance)
    return _interpolated(table, conductance)


def sonos_spread(days: float, full_scale: float | None, conductance: np.ndarray) -> np.ndarray:
    """Standard deviation, in units of Gmax, ``days`` (0 to 5) after programming, interpolated between the days
    measured. The mean's drift is not in the published fit that we have and is left out."""
    full = full_scale or FULL_SCALE["sonos"]
    before = min(int(days), len(SONOS_BY_DAY) - 2)
    share = days - before
    earlier, later = (_saturating(fit, full, conductance) for fit in SONOS_BY_DAY[before : before + 2])
    return (1 - share) * earlier + share * later


def _saturating(fit: tuple[float, float], full: float, conductance: np.ndarray) -> np.ndarray:
    height, width = fit
    return -height * np.expm1(-conductance * full / width) / full


def _interpolated(table: ErrorTable, conductance: np.ndarray) -> np.ndarray:
    """Straight lines between the rows of a CSV file, held beyond its ends."""
    points, spreads = read_csv(table.table)
    full = table.full_scale or points[-1]
    return np.interp(conductance * full, points, spreads) / full


def read_csv(path: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Conductances, ascending, and spreads of a file with the header ``conductance,sigma``, both in one unit.

    Raises ``CrossbarConfigError`` with file and line for what is not such a table.
    """
    file = Path(path)
    return _read_version(path, file.stat().st_mtime_ns if file.exists() else 0)


@cache
def _read_version(path: str, _modified: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        lines = list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CrossbarConfigError(f"{path}: cannot be read ({error}): give a CSV file of conductance,sigma") from None
    if not lines or [name.strip() for name in lines[0]] != ["conductance", "sigma"]:
        raise CrossbarConfigError(f"{path}:1: the header must be conductance,sigma")
    points: list[float] = []
    spreads: list[float] = []
    for number, line in enumerate(lines[1:], 2):
        try:
            point, spread = map(float, line)
        except ValueError:
            raise CrossbarConfigError(f"{path}:{number}: {','.join(line)!r} must be two numbers") from None
        ascends = not points or point > points[-1]
        if not (math.isfinite(point) and math.isfinite(spread) and point >= 0 and spread >= 0 and ascends):
            raise CrossbarConfigError(
                f"{path}:{number}: {','.join(line)!r}: conductances must ascend from 0, sigma be >= 0"
            )
        points.append(point)
        spreads.append(spread)
    if not points or points[-1] == 0:
        raise CrossbarConfigError(f"{path}: no row with a conductance above 0: give one")
    return tuple(points), tuple(spreads)
