"""What compute-in-memory chips of all kinds have: areas, sides, leakage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """Areas by part, and the sides of the squares that wires cross."""

    area_m2: dict[str, float]
    array_side_m: float
    side_m: float
    leakage_W: float
