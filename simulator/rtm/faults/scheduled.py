"""Faults that were drawn beforehand."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ir.expand import MicroOp, Shift
from simulator.rtm.faults.events import DISPLACE, TAG, UNSWITCHED, WHERE_MATCH, WHERE_MISMATCH
from simulator.rtm.faults.injector import Faulty, Reading
from simulator.rtm.faults.model import WireFaults
from simulator.rtm.machine import Machine


class Scheduled(Faulty):
    """Acts as lists of ``simulator.rtm.faults.events`` say: EVENT, STUCK and PATCH records of one tile."""

    def __init__(self, model: WireFaults, events: np.ndarray, stuck: np.ndarray, patches: np.ndarray) -> None:
        super().__init__(model.guard_domains, model.entering_bit, model.faults.mitigation.realign_every)
        for column, row, value in stuck.tolist():
            self.stuck[row, column] = bool(value)
        self.events: dict[tuple[int, int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for instruction, op, kind, argument, amount, row in events.tolist():
            self.events[instruction, op, kind].append((argument, amount, row))
        self.patches: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for instruction, row, bits in patches.tolist():
            self.patches[instruction].append((row, bits))
        self.instruction = self.op = 0

    def next_instruction(self, machine: Machine, number: int) -> None:
        super().next_instruction(machine, number)
        self.instruction, self.op = number, -1

    def rewinding(self, number: int) -> None:
        self.instruction, self.op = number, 0

    def before(self, machine: Machine, op: MicroOp) -> None:
        if not isinstance(op, Shift):
            self.op += 1
            self._displace(machine)

    def answers(self, matches: np.ndarray) -> np.ndarray:
        answers = matches.copy()
        for where, _, row in self.events[self.instruction, self.op, TAG]:
            answers[row] ^= bool(where & (WHERE_MATCH if matches[row] else WHERE_MISMATCH))
        return answers

    def stays(self, cell: int, changing: np.ndarray) -> np.ndarray:
        stays = np.zeros_like(changing)
        stays[[row for index, _, row in self.events[self.instruction, self.op, UNSWITCHED] if index == cell]] = True
        return stays & changing

    def received(self, bits: np.ndarray, bit: int, reading: Reading) -> np.ndarray:
        received = bits.copy()
        for row, flipped in self.patches[self.instruction]:
            received[row] ^= bool(flipped >> bit & 1)
        return received

    def end(self, machine: Machine) -> None:
        self._displace(machine)
        super().end(machine)

    def _displace(self, machine: Machine) -> None:
        for column, amount, row in self.events[self.instruction, self.op, DISPLACE]:
            self.displace(machine, row, column, amount)
