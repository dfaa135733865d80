"""The most written cells of a run, and how long the chip lives with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apc.accounting import Accounts
from apc.wear import Lifetime, lifetime
from simulator.rtm.wear import LayerWear


class HottestCell(NamedTuple):
    """Of a layer: in the arrays of ``tile``, ``row`` of the batch (image after image)."""

    tile: int
    row: int
    column: int
    domain: int
    writes: int


@dataclass(frozen=True)
class RunWear:
    """``layers``: the cell of each that one batch writes most; ``lifetime``: of a chip that runs the most wearing batch
    again and again."""

    layers: list[HottestCell]
    lifetime: Lifetime

    @staticmethod
    def of_batch(accounts: Accounts, wear: Sequence[LayerWear], images: int) -> RunWear:
        """``wear``: one a layer, as a batch of ``images`` leaves it."""
        return RunWear([HottestCell(*layer.hottest) for layer in wear], lifetime(accounts, wear, images))

    def worse(self, other: RunWear) -> RunWear:
        """The worse of two batches, layer by layer and over all."""
        layers = [
            max(mine, theirs, key=lambda cell: cell.writes)
            for mine, theirs in zip(self.layers, other.layers, strict=True)
        ]
        return RunWear(layers, min(self.lifetime, other.lifetime, key=lambda life: life.years))
