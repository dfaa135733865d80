"""All the faults of a batch of images: drawn where they are asked for, the same whatever the batch and the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ir.program import Program
from simulator.rtm.faults.displacements import FailedSteps, displacements
from simulator.rtm.faults.draw import Candidates, draw_candidates, image_generator
from simulator.rtm.faults.events import EVENT, PATCH, sort_events
from simulator.rtm.faults.model import Faults
from simulator.rtm.faults.patches import SourceFaults, source_patches
from simulator.rtm.faults.resolve import (
    TileCandidates,
    search_counts,
    search_events,
    shift_events,
    stuck_wires,
    write_events,
    wrong_answers,
)
from simulator.rtm.faults.scheduled import Scheduled
from simulator.rtm.faults.slots import Kind, ProgramSlots, TileSlots
from simulator.rtm.micro.plan import TileFaults
from simulator.rtm.wires import Wires

Resolver = Callable[[TileSlots, TileCandidates], tuple[np.ndarray, Counter[str]]]
"""From candidates of one kind in a tile to EVENT records, and what is counted of them."""


@dataclass(eq=False)
class FaultPlan:
    """What fails when ``images`` images, the ``first_image``-th of the user's input and those after it, run through
    ``program``: decided by ``seed``, ``trial`` and the image alone.

    ``slots``: of the program, so that they are counted only once. Raises FaultError for faults that the program's
    target cannot have.
    """

    program: Program
    faults: Faults
    seed: int
    images: int
    trial: int = 0
    first_image: int = 0
    slots: ProgramSlots | None = None
    _drawn: dict[tuple[Kind, int], Candidates] = field(default_factory=dict, repr=False)
    _stuck: dict[tuple[int, int], tuple[np.ndarray, Counter[str]]] = field(default_factory=dict, repr=False)
    _counts: dict[tuple[int, int], Counter[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.model = self.faults.on(self.program.target)
        self._slots = self.slots or ProgramSlots(self.program)
        self._rates = {
            Kind.SHIFT: self.faults.shift.candidate_rate,
            Kind.SEARCH: self.faults.search.candidate_rate,
            Kind.WRITE: self.faults.write.not_switched,
            Kind.SOURCE_SHIFT: self.faults.shift.candidate_rate,
            Kind.SOURCE_SEARCH: self.faults.search.candidate_rate,
            Kind.STUCK: self.faults.stuck.rate,
        }
        correct = self.faults.mitigation.correct
        self._resolvers: dict[Kind, Resolver] = {
            Kind.SHIFT: partial(shift_events, shift=self.faults.shift, correct=correct),
            Kind.SEARCH: partial(search_events, search=self.faults.search),
            Kind.WRITE: write_events,
        }

    def faults_of(self, layer: int, tile: int, wires: Mapping[int, Wires]) -> TileFaults:
        """Everything that fails while a tile runs; it counts from now on. ``wires``: those that hold the tensors it
        gathers, by index into ``Program.tensors``."""
        events, own = self._events(layer, tile)
        stuck, held = self._stuck_wires(layer, tile)
        patches, in_sources = self._patches(layer, tile, wires)
        self._counts[layer, tile] = own + held + Counter({f"source_{name}": n for name, n in in_sources.items()})
        model = self.model
        return TileFaults(
            events, patches, stuck, self.faults.mitigation.realign_every, model.guard_domains, model.entering_bit
        )

    def injector(self, layer: int, tile: int, wires: Mapping[int, Wires]) -> Scheduled:
        """The same faults for the reference machine."""
        found = self.faults_of(layer, tile, wires)
        return Scheduled(self.model, found.events, found.stuck, found.patches)

    def counts(self) -> list[Counter[str]]:
        """What happened in each layer, in the tiles that were asked for: shift faults by outcome (``over``, ``under``,
        ``pinned``) and operations whose displacement was ``corrected``; searches that err where that matters
        (``false_match``, ``false_mismatch``) and cells that stay as they are where they should flip
        (``not_switched``); wires that are ``stuck_zero`` and ``stuck_one``. ``source_...``: the same where tensors are
        gathered from."""
        layers: list[Counter[str]] = [Counter() for _ in self.program.layers]
        for (layer, _), happened in self._counts.items():
            layers[layer].update(happened)
        return layers

    def _events(self, layer: int, tile: int) -> tuple[np.ndarray, Counter[str]]:
        """EVENT records of the tile's own arrays, and what is counted of them."""
        events, counts = [np.zeros(0, EVENT)], Counter[str]()
        for kind, resolve in self._resolvers.items():
            if len(failed := self._failed(kind, layer, tile)):
                found, happened = resolve(self._slots.tiles[layer][tile], failed)
                events.append(found)
                counts += happened
        return sort_events(np.concatenate(events)), counts

    def _stuck_wires(self, layer: int, tile: int) -> tuple[np.ndarray, Counter[str]]:
        """STUCK records of the tile's own arrays, and what is counted of them. Kept, since the tiles that gather what
        it stores ask for them too."""
        if (layer, tile) not in self._stuck:
            self._stuck[layer, tile] = stuck_wires(self._failed(Kind.STUCK, layer, tile), self.faults.stuck)
        return self._stuck[layer, tile]

    def _patches(self, layer: int, tile: int, wires: Mapping[int, Wires]) -> tuple[np.ndarray, Counter[str]]:
        """PATCH records of what fails in the arrays of the tensors that a tile gathers, and what is counted of it."""
        shifts = self._failed(Kind.SOURCE_SHIFT, layer, tile)
        searches = self._failed(Kind.SOURCE_SEARCH, layer, tile)
        if not len(shifts) and not len(searches):
            return np.zeros(0, PATCH), Counter()
        readings = self._slots.tiles[layer][tile].readings
        first_step = np.cumsum(np.abs(readings.steps)) - np.abs(readings.steps)
        first = np.searchsorted(readings.instruction, shifts.instruction)
        step = first_step[first] + shifts.slot
        reading = np.searchsorted(first_step, step, side="right") - 1
        failed = FailedSteps(reading, step - first_step[reading], readings.steps[reading], shifts.row, shifts.uniform)
        index, amount, counts = displacements(failed, self.faults.shift, self.faults.mitigation.correct)
        free = ~self._are_stuck(readings.wires, readings.wire[reading[index]], shifts.row[index])
        index, amount = index[free], amount[free]
        answered = np.searchsorted(readings.instruction, searches.instruction) + searches.slot
        where = wrong_answers(searches.uniform, self.faults.search)
        found = SourceFaults(reading[index], shifts.row[index], amount, answered, searches.row, where)
        of_layer = self.program.layers[layer]
        patches = source_patches(self.program, of_layer, of_layer.tiles[tile], readings, found, self.model, wires)
        return patches, counts + search_counts(where)

    def _are_stuck(self, wires: np.ndarray, wire: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Which wires that hold gathered tensors are stuck, bool[n]. ``wires``: of ``Readings``; ``wire``: index into
        it, ``row``; int64[n]."""
        stuck = np.zeros(len(row), bool)
        if not self._rates[Kind.STUCK]:
            return stuck
        tiles, tile_of = np.unique(wires[:, :2], axis=0, return_inverse=True)
        tile_of = tile_of.reshape(-1)[wire]
        for number in np.unique(tile_of).tolist():
            tensor, tile = tiles[number].tolist()
            there, _ = self._stuck_wires(self.program.tensors[tensor].producer, tile)
            mine = np.flatnonzero(tile_of == number)
            stuck[mine] = np.isin(row[mine] << 16 | wires[wire[mine], 2], there["row"] << 16 | there["column"])
        return stuck

    def _failed(self, kind: Kind, layer: int, tile: int) -> TileCandidates:
        """The candidates of one kind in a tile, of all images, by instruction and slot."""
        if not self._rates[kind]:
            nothing = np.zeros(0, np.int64)
            return TileCandidates(nothing, nothing, nothing, np.zeros(0))
        number = int(self._slots.first[layer]) + tile
        begin, end = self._slots.edges(kind)[number : number + 2]
        parts, images, uniform = [], [], []
        for image in range(self.images):
            drawn = self._draw(kind, image)
            low, high = np.searchsorted(drawn.slots, (begin, end))
            parts.append(drawn.slots[low:high] - begin)
            images.append(np.full(high - low, image))
            uniform.append(drawn.uniform[low:high])
        numbers = np.concatenate(parts)
        order = np.argsort(numbers, kind="stable")
        numbers, image_of = numbers[order], np.concatenate(images)[order]
        slots = self._slots.tiles[layer][tile]
        instruction, slot, positions = slots.locate(kind, numbers)
        slot, position = np.divmod(slot, positions)
        return TileCandidates(instruction, slot, image_of * positions + position, np.concatenate(uniform)[order])

    def _draw(self, kind: Kind, image: int) -> Candidates:
        """The candidates of one kind in the ``image``-th image of the batch, in the whole program."""
        if (kind, image) not in self._drawn:
            generator = image_generator(self.seed, self.trial, self.first_image + image, kind)
            slots = int(self._slots.edges(kind)[-1])
            self._drawn[kind, image] = draw_candidates(generator, slots, self._rates[kind])
        return self._drawn[kind, image]
