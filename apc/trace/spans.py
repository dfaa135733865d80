"""What happens when, in cycles: the waves of a layer, and what a tile does from its first cycle to its last.

All of it is static: the cycle model of docs/machine.md, laid out in time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from apc.cycles import instruction_cycles, rewind_cycles
from backends.rtm_ap.chip import LayerPlan
from backends.target import Target
from ir.counts import StaticCounts
from ir.isa import Op
from ir.program import Tile

MAX_RUNS = 4096
"""A phase that changes more often between gathers and arithmetic is not split into them."""


@dataclass(frozen=True)
class Job:
    """A tile at work in a wave, on ``arrays`` arrays that hold its row tiles from ``first_row_tile`` on."""

    tile: int
    first_row_tile: int
    arrays: int


@dataclass(frozen=True)
class Wave:
    """Cycles [start, stop) of a layer, counted from its start; ``jobs``: the longest first."""

    number: int
    start: int
    stop: int
    jobs: list[Job]


def waves(plan: LayerPlan) -> Iterator[Wave]:
    """The waves of a layer in order, the jobs distributed as ``backends.rtm_ap.placement.schedule`` does."""
    start, jobs = 0, len(plan.run_cycles) * plan.row_tiles
    for number, longest in enumerate(plan.timetable.longest.tolist()):
        first = number * plan.placement.arrays
        last = min(first + plan.placement.arrays, jobs)
        stop = start + int(plan.run_cycles[longest])
        longest_first = sorted(_jobs(plan, first, last), key=lambda job: -int(plan.run_cycles[job.tile]))
        yield Wave(number, start, stop, longest_first)
        start = stop


def _jobs(plan: LayerPlan, first: int, last: int) -> Iterator[Job]:
    while first < last:
        position, row_tile = divmod(first, plan.row_tiles)
        arrays = min(plan.row_tiles - row_tile, last - first)
        yield Job(int(plan.timetable.order[position]), row_tile, arrays)
        first += arrays


@dataclass(frozen=True)
class Span:
    """Cycles [start, stop) of a tile, counted from its start. ``kind``: "group", "phase" or "run"; spans are disjoint
    or nested, the outer one first. ``figures``: what happens in it, exactly."""

    kind: str
    name: str
    start: int
    stop: int
    figures: dict[str, int] = field(default_factory=dict)


def tile_spans(tile: Tile, counts: StaticCounts, target: Target, export_cycles: int) -> list[Span]:
    """What a tile does on one array. Phases follow one another without a gap, rewinding and read-out at the end; what
    takes no time is left out."""
    cycles = instruction_cycles(tile, counts, target)
    clock = np.concatenate([[0], cycles.cumsum()])
    sums = {name: np.concatenate([[0], values.cumsum()]) for name, values in _figures(counts).items()}

    def span(kind: str, name: str, first: int, stop: int) -> Span:
        happened = {key: int(total[stop] - total[first]) for key, total in sums.items()}
        figures = {"first_instruction": first, "instructions": stop - first, **happened}
        return Span(kind, name, int(clock[first]), int(clock[stop]), figures)

    spans = []
    for group, members in groupby(_phases(tile), key=lambda phase: _group_of(phase[0])):
        phases = list(members)
        if group is not None:
            spans.append(span("group", f"group {group}", phases[0][1], phases[-1][2]))
        for name, first, stop in phases:
            spans.append(span("phase", name, first, stop))
            spans += [span("run", *run) for run in _runs(tile, first, stop)]
    end = int(clock[-1])
    for name, length in (("rewind", rewind_cycles(counts, target)), ("read-out", export_cycles)):
        spans.append(Span("phase", name, end, end + length))
        end += length
    return [item for item in spans if item.start < item.stop]


def _figures(counts: StaticCounts) -> dict[str, np.ndarray]:
    """Of every instruction, int64[instructions] each."""
    return {
        "search_passes": counts.searches,
        "write_passes": counts.writes,
        "shift_steps": counts.shift_steps,
        "source_search_passes": counts.source_searches,
        "source_shift_steps": counts.source_shift_steps,
    }


def _phases(tile: Tile) -> list[tuple[str, int, int]]:
    """(name, first instruction, instruction after the last) of every phase; what comes before the first has no name of
    its own."""
    named = [(name or "unnamed", start) for name, start in tile.phases]
    if not named or named[0][1] > 0:
        named.insert(0, ("unnamed", 0))
    stops = [start for _, start in named[1:]] + [len(tile.instructions)]
    return [(name, start, stop) for (name, start), stop in zip(named, stops, strict=True)]


def _group_of(phase: str) -> str | None:
    """The group of inputs that a phase loads or sums: the number its name ends in."""
    match = re.fullmatch(r".* (\d+)", phase)
    return match[1] if match else None


def _runs(tile: Tile, first: int, stop: int) -> list[tuple[str, int, int]]:
    """(name, first, stop) of the runs of gathers and of arithmetic in a phase; none where it has one only."""
    gathers = tile.instructions["op"][first:stop] == Op.GATHER
    edges = first + 1 + np.flatnonzero(gathers[1:] != gathers[:-1])
    if not 0 < len(edges) < MAX_RUNS:
        return []
    bounds = [first, *edges.tolist(), stop]
    return [
        ("gather" if gathers[low - first] else "arithmetic", low, high)
        for low, high in zip(bounds, bounds[1:], strict=False)
    ]
