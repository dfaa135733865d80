"""How a layer came to be compiled the way it is: what was tried, at which price, and why one was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Candidate:
    """One way to compile a layer.

    ``strategy``: in words; ``tiles``: how many the layer is cut into, and ``energy_J``: expected energy of one image by
    part (search, write, shift, control), 0 and empty where it was not priced; ``refused``: why it does not fit, ""
    where it does.
    """

    strategy: str
    tiles: int = 0
    energy_J: Mapping[str, float] = field(default_factory=dict)
    refused: str = ""

    @property
    def total_J(self) -> float:
        """Of all parts. Only for a candidate that was priced."""
        return sum(self.energy_J.values())


@dataclass(frozen=True)
class Decision:
    """The choice of one layer: what was taken, and the ``others`` that were tried, the cheapest first, then those that
    do not fit."""

    layer: str
    op: str
    positions: int
    taken: Candidate
    others: tuple[Candidate, ...]
