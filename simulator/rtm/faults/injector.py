"""How faults reach the reference machine: it tells an injector what it does, the injector does the damage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ir.expand import MicroOp

if TYPE_CHECKING:
    from simulator.rtm.machine import Machine


@dataclass(frozen=True, eq=False)
class Reading:
    """One search for a bit of a stored tensor where it lies: in ``domain`` of ``column`` of the arrays of ``tile``,
    which ``steps`` have just brought to the port. ``rows``: int64[used], the source row each row receives from, or
    -1."""

    tensor: int
    tile: int
    column: int
    domain: int
    steps: int
    rows: np.ndarray


class Injector:
    """Nothing goes wrong. What does go wrong, subclasses say."""

    guard_domains = 0

    def begin(self, machine: Machine) -> None:
        """A tile begins; resident fields are loaded."""

    def next_instruction(self, machine: Machine, number: int) -> None:
        """Instruction ``number`` begins."""

    def rewinding(self, number: int) -> None:
        """The columns are rewound next, after ``number`` instructions."""

    def before(self, machine: Machine, op: MicroOp) -> None:
        """``op`` begins."""

    def shifted(self, machine: Machine, column: int, steps: int) -> None:
        """``column`` has been shifted."""

    def answers(self, matches: np.ndarray) -> np.ndarray:
        """What a search answers that should give ``matches``; bool[rows]."""
        return matches

    def stays(self, cell: int, changing: np.ndarray) -> np.ndarray:
        """In which of the rows ``changing``, where a write should flip a cell, it does not; both bool[rows]. ``cell``:
        index into the values of the write."""
        return np.zeros_like(changing)

    def written(self, machine: Machine, column: int) -> None:
        """``column`` has been written."""

    def received(self, bits: np.ndarray, bit: int, reading: Reading) -> np.ndarray:
        """What the rows receive where ``bits`` (bool[rows], bit ``bit`` of a gather) were stored."""
        return bits

    def end(self, machine: Machine) -> None:
        """The tile's columns are rewound; its output is read next."""


NOTHING_FAILS = Injector()


class Faulty(Injector):
    """What injectors do to wires: displace them, hold them stuck, put them back.

    ``displaced``: (row, column) -> by how many steps; ``stuck``: (row, column) -> what the port reads.
    """

    def __init__(self, guard_domains: int, entering_bit: int, realign_every: int) -> None:
        self.guard_domains = guard_domains
        self.entering_bit = bool(entering_bit)
        self.realign_every = realign_every
        self.displaced: dict[tuple[int, int], int] = {}
        self.stuck: dict[tuple[int, int], bool] = {}

    def begin(self, machine: Machine) -> None:
        guard = self.guard_domains
        wires = machine.nanowires
        wires[:, :, :guard] = wires[:, :, wires.shape[2] - guard :] = self.entering_bit
        for (row, column), value in self.stuck.items():
            wires[row, column] = value

    def next_instruction(self, machine: Machine, number: int) -> None:
        if self.realigns_before(number):
            self.realign(machine)

    def written(self, machine: Machine, column: int) -> None:
        for (row, stuck_column), value in self.stuck.items():
            if stuck_column == column:
                machine.nanowires[row, column] = value

    def end(self, machine: Machine) -> None:
        self.realign(machine)

    def realigns_before(self, instruction: int) -> bool:
        return bool(self.realign_every and instruction and instruction % self.realign_every == 0)

    def displace(self, machine: Machine, row: int, column: int, amount: int) -> None:
        """Move the content of one wire against what the port expects."""
        if (row, column) not in self.stuck:
            machine.nanowires[row, column] = moved(machine.nanowires[row, column], amount, self.entering_bit)
            self.displaced[row, column] = self.displaced.get((row, column), 0) + amount

    def realign(self, machine: Machine) -> None:
        """Move every displaced wire back."""
        for (row, column), amount in self.displaced.items():
            machine.nanowires[row, column] = moved(machine.nanowires[row, column], -amount, self.entering_bit)
        self.displaced.clear()


def moved(wire: np.ndarray, amount: int, entering_bit: bool) -> np.ndarray:
    """A wire (bool[domains]) displaced by ``amount``: domain k now shows what k + amount held."""
    domain = np.arange(len(wire)) + amount
    inside = (domain >= 0) & (domain < len(wire))
    return np.where(inside, wire[np.where(inside, domain, 0)], entering_bit)
