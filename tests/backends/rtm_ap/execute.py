"""Instructions on the reference machine, without a program around them."""

from __future__ import annotations

import numpy as np

from ir.expand import expand_instruction
from ir.program import Tile
from simulator.rtm.machine import Machine


def execute(machine: Machine, tile: Tile) -> None:
    """Run a tile that gathers nothing."""
    for record in tile.instructions:
        for op in expand_instruction(record, tile, True, list(machine.offsets)):
            machine.execute(op)


def machine_of(rows: int, columns: int, domains: int, seed: int) -> Machine:
    """A machine whose cells hold anything."""
    machine = Machine(rows, columns, domains)
    machine.cells[:] = np.random.default_rng(seed).random(machine.cells.shape) < 0.5
    return machine
