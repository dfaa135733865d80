"""All the faults of a batch of images: drawn where they are asked for, the same whatever the batch and the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from ir.program import Program
from simulator.rtm.faults.displacements import FailedSteps, displacements
from simulator.rtm.faults.draw import draw_candidates, image_generator
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
Found = tuple[np.ndarray, np.ndarray, Counter[str]]
"""EVENT records, PATCH records, and what is counted of them."""
RunAll = Callable[[Sequence[Callable[[], Found]]], Sequence[Found]]
"""Executes tasks, in any order; their results in order."""
EVENTS_A_PART = 2000
"""Expected in a tile, below which images are not worth dividing among threads."""


def in_turn(tasks: Sequence[Callable[[], Found]]) -> list[Found]:
    """One task after the other."""
    return [task() for task in tasks]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Candidates of some images, by slot, then image: int64[n] each, ``uniform`` as in ``Candidates``."""

    slots: np.ndarray
    image: np.ndarray
    uniform: np.ndarray


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
    _drawn: dict[tuple[Kind, range], _Drawn] = field(default_factory=dict, repr=False)
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

    def faults_of(
        self, layer: int, tile: int, wires: Mapping[int, Wires], threads: int = 1, run_all: RunAll = in_turn
    ) -> TileFaults:
        """Everything that fails while a tile runs; it counts from now on. ``wires``: those that hold the tensors it
        gathers, by index into ``Program.tensors``. Many events are worked out by ``run_all`` in ``threads`` parts, then
        records are in order within every part, which is some of the images."""
        stuck, counts = self._stuck_wires(layer, tile)
        parts = min(threads, self.images) if self._events_a_tile > EVENTS_A_PART else 1
        edges = [self.images * part // parts for part in range(parts + 1)]
        some = [range(first, stop) for first, stop in zip(edges[:-1], edges[1:], strict=True)]
        found = run_all([partial(self._part, layer, tile, wires, images) for images in some])
        for _, _, happened in found:
            counts = counts + happened
        self._counts[layer, tile] = counts
        return TileFaults(
            np.concatenate([events for events, _, _ in found]),
            np.concatenate([patches for _, patches, _ in found]),
            stuck,
            self.faults.mitigation.realign_every,
            self.model.guard_domains,
            self.model.entering_bit,
        )

    @cached_property
    def _events_a_tile(self) -> float:
        """Expected, of a tile of average size."""
        of_image = sum(rate * int(self._slots.edges(kind)[-1]) for kind, rate in self._rates.items() if rate)
        return of_image * self.images / sum(map(len, self._slots.tiles))

    def _part(self, layer: int, tile: int, wires: Mapping[int, Wires], images: range) -> Found:
        """Events and patches of some images."""
        events, own = self._events(layer, tile, images)
        patches, in_sources = self._patches(layer, tile, wires, images)
        return events, patches, own + Counter({f"source_{name}": count for name, count in in_sources.items()})

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

    def _events(self, layer: int, tile: int, images: range) -> tuple[np.ndarray, Counter[str]]:
        """EVENT records of the tile's own arrays, and what is counted of them."""
        events, counts = [np.zeros(0, EVENT)], Counter[str]()
        for kind, resolve in self._resolvers.items():
            if len(failed := self._failed(kind, layer, tile, images)):
                found, happened = resolve(self._slots.tiles[layer][tile], failed)
                events.append(found)
                counts += happened
        return sort_events(np.concatenate(events)), counts

    def _stuck_wires(self, layer: int, tile: int) -> tuple[np.ndarray, Counter[str]]:
        """STUCK records of the tile's own arrays, and what is counted of them. Kept, since the tiles that gather what
        it stores ask for them too."""
        if (layer, tile) not in self._stuck:
            failed = self._failed(Kind.STUCK, layer, tile, range(self.images))
            self._stuck[layer, tile] = stuck_wires(failed, self.faults.stuck)
        return self._stuck[layer, tile]

    def _patches(
        self, layer: int, tile: int, wires: Mapping[int, Wires], images: range
    ) -> tuple[np.ndarray, Counter[str]]:
        """PATCH records of what fails in the arrays of the tensors that a tile gathers, and what is counted of it."""
        shifts = self._failed(Kind.SOURCE_SHIFT, layer, tile, images)
        searches = self._failed(Kind.SOURCE_SEARCH, layer, tile, images)
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

    def _failed(self, kind: Kind, layer: int, tile: int, images: range) -> TileCandidates:
        """The candidates of one kind in a tile, of some images, by instruction and slot."""
        if not self._rates[kind]:
            nothing = np.zeros(0, np.int64)
            return TileCandidates(nothing, nothing, nothing, np.zeros(0))
        number = int(self._slots.first[layer]) + tile
        begin, end = self._slots.edges(kind)[number : number + 2]
        drawn = self._draw(kind, images)
        mine = slice(*np.searchsorted(drawn.slots, (begin, end)).tolist())
        instruction, slot, positions = self._slots.tiles[layer][tile].locate(kind, drawn.slots[mine] - begin)
        slot, position = np.divmod(slot, positions)
        return TileCandidates(instruction, slot, drawn.image[mine] * positions + position, drawn.uniform[mine])

    def _draw(self, kind: Kind, images: range) -> _Drawn:
        """The candidates of one kind in some images of the batch, in the whole program."""
        if (kind, images) not in self._drawn:
            slots = int(self._slots.edges(kind)[-1])
            parts = []
            for image in images:
                generator = image_generator(self.seed, self.trial, self.first_image + image, kind)
                parts.append(draw_candidates(generator, slots, self._rates[kind]))
            chosen = np.concatenate([part.slots for part in parts])
            order = np.argsort(chosen, kind="stable")
            image_of = np.repeat(np.array(images), [len(part.slots) for part in parts])
            uniform = np.concatenate([part.uniform for part in parts])
            self._drawn[kind, images] = _Drawn(chosen[order], image_of[order], uniform[order])
        return self._drawn[kind, images]
