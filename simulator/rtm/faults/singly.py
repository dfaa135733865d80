"""Every event of every slot drawn on its own: what the fault model means."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ir.program import Program
from simulator.rtm.faults.injector import Faulty, Reading, moved
from simulator.rtm.faults.model import Faults, WireFaults
from simulator.rtm.machine import Machine
from simulator.rtm.wires import Wires

StuckSources = Mapping[tuple[int, int], Mapping[tuple[int, int], bool]]
"""(tensor, tile that stores some of it) -> the wires that are stuck there, as ``Faulty.stuck`` names them."""


class Singly(Faulty):
    """Draws from ``generator`` as the machine runs. ``used``: the rows that can fail; ``wires``: tensor index -> the
    wires that hold it, of every stored tensor that the tile gathers; ``stuck_sources``: of their tiles."""

    def __init__(
        self,
        model: WireFaults,
        generator: np.random.Generator,
        used: int,
        wires: Mapping[int, Wires],
        stuck_sources: StuckSources,
    ) -> None:
        super().__init__(model.guard_domains, model.entering_bit, model.faults.mitigation.realign_every)
        self.faults = model.faults
        self.generator = generator
        self.used = used
        self.wires = wires
        self.stuck_sources = stuck_sources
        self.sources: dict[tuple[int, int, int], _Source] = {}

    def begin(self, machine: Machine) -> None:
        stuck = self.faults.stuck
        draw = self.generator.random((self.used, machine.nanowires.shape[1]))
        for row, column in np.argwhere(draw < stuck.rate).tolist():
            self.stuck[row, column] = bool(draw[row, column] >= stuck.zero)
        super().begin(machine)

    def next_instruction(self, machine: Machine, number: int) -> None:
        super().next_instruction(machine, number)
        if self.realigns_before(number):
            for source in self.sources.values():
                source.realign(self.entering_bit)

    def shifted(self, machine: Machine, column: int, steps: int) -> None:
        amounts = self._displacements(steps, self.used)
        for row in np.flatnonzero(amounts).tolist():
            self.displace(machine, row, column, int(amounts[row]))

    def answers(self, matches: np.ndarray) -> np.ndarray:
        answers = matches.copy()
        answers[: self.used] = self._search(matches[: self.used])
        return answers

    def stays(self, cell: int, changing: np.ndarray) -> np.ndarray:
        stays = changing.copy()
        stays[: self.used] &= self.generator.random(self.used) < self.faults.write.not_switched
        stays[self.used :] = False
        return stays

    def received(self, bits: np.ndarray, bit: int, reading: Reading) -> np.ndarray:
        source = self._source(reading)
        amounts = self._displacements(reading.steps, len(source.cells))
        for row in np.flatnonzero(amounts).tolist():
            source.displace(row, int(amounts[row]), self.entering_bit)
        answers = self._search(source.cells[:, self.guard_domains + reading.domain])
        present = np.flatnonzero(reading.rows >= 0)
        received = bits.copy()
        received[present] = answers[reading.rows[present]]
        return received

    def _displacements(self, steps: int, wires: int) -> np.ndarray:
        """By how much one operation of ``steps`` steps displaces each of so many wires; int64[wires]."""
        shift, sign = self.faults.shift, int(np.sign(steps))
        amounts = np.zeros(wires, np.int64)
        if shift.by_distance and steps:
            wrong = self.generator.random(wires) < shift.of_distance(abs(steps))
            amounts[wrong] = np.where(self.generator.random(wires) < 0.5, sign, -sign)[wrong]
        else:
            free = np.ones(wires, bool)
            for step in range(abs(steps)):
                draw = self.generator.random(wires)
                over = free & (draw < shift.over)
                under = free & ~over & (draw < shift.over + shift.under)
                pinned = free & ~over & ~under & (draw < shift.per_step)
                amounts += sign * over - sign * under - sign * (abs(steps) - step) * pinned
                free &= ~pinned
        corrected = np.abs(amounts) <= self.faults.mitigation.correct
        return np.where(corrected, 0, amounts)

    def _search(self, matches: np.ndarray) -> np.ndarray:
        """``matches`` as a search reports them."""
        search = self.faults.search
        return matches ^ (
            self.generator.random(len(matches)) < np.where(matches, search.false_mismatch, search.false_match)
        )

    def _source(self, reading: Reading) -> _Source:
        key = reading.tensor, reading.tile, reading.column
        if key not in self.sources:
            cells = self.wires[reading.tensor].content(reading.tile, reading.column)
            guards = (0, 0), (self.guard_domains, self.guard_domains)
            stuck = self.stuck_sources.get((reading.tensor, reading.tile), {})
            rows = {row for row, column in stuck if column == reading.column}
            self.sources[key] = _Source(np.pad(cells, guards, constant_values=self.entering_bit), rows)
        return self.sources[key]


class SinglyOfTiles:
    """An injector for each tile of a program that runs on ``batch`` images, in turn; all draw from ``generator``."""

    def __init__(self, program: Program, faults: Faults, batch: int, generator: np.random.Generator) -> None:
        self.program = program
        self.model = faults.on(program.target)
        self.batch = batch
        self.generator = generator
        self.stuck: dict[tuple[int, int], dict[tuple[int, int], bool]] = {}

    def __call__(self, layer: int, tile: int, wires: Mapping[int, Wires]) -> Singly:
        output = self.program.layers[layer].output
        used = self.batch * self.program.tensors[output].positions
        injector = Singly(self.model, self.generator, used, wires, self.stuck)
        self.stuck[output, tile] = injector.stuck
        return injector


class _Source:
    """One column of the arrays of a gathered tensor: ``cells`` bool[rows, domains], with guard domains. The wires of
    the rows ``stuck`` stay as they are."""

    def __init__(self, cells: np.ndarray, stuck: set[int]) -> None:
        self.cells = cells
        self.stuck = stuck
        self.displaced = np.zeros(len(cells), np.int64)

    def displace(self, row: int, amount: int, entering_bit: bool) -> None:
        if row not in self.stuck:
            self.cells[row] = moved(self.cells[row], amount, entering_bit)
            self.displaced[row] += amount

    def realign(self, entering_bit: bool) -> None:
        for row in np.flatnonzero(self.displaced).tolist():
            self.displace(row, -int(self.displaced[row]), entering_bit)
