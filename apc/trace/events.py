"""Chrome trace events (JSON object format) of a batch on the machine.

Every timestamp is a cycle of the static schedule in microseconds, so a trace is the same whenever and wherever it is
made; only the written bits behind power and energy come from the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apc.accounting import Accounts
from apc.files import atomic_write
from apc.trace.spans import Job, Span, Wave, tile_spans, waves
from backends.cost import CostReport
from backends.rtm_ap.chip import LayerPlan

Event = dict[str, Any]

MAX_TILE_TRACKS = 16
"""Tiles of a wave that have a track of their own: the longest ones."""
MAX_WAVES = 256
"""Waves of a layer that are drawn; the rest are one slice."""
LAYERS, WAVES, FIRST_TILE = 0, 1, 2
"""Track numbers ("tid")."""
_PROCESS = 1
_DIGITS = 6
"""Of a microsecond: picoseconds."""


def write_trace(path: str | Path, accounts: Accounts, cost: CostReport) -> None:
    """Write the trace of a batch, one event a line. Raises UserError where ``path`` cannot be written."""
    target = accounts.target
    about = {
        "program": accounts.program.name,
        "target": target.name,
        "images": cost.images,
        "cycles": accounts.cycles(cost.images),
        "cycle_s": target.timing.cycle_s,
    }
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f'{{"displayTimeUnit": "ns",\n"otherData": {json.dumps(about)},\n"traceEvents": [\n')
        for number, event in enumerate(trace_events(accounts, cost)):
            out.write(f"{',' if number else ''}{json.dumps(event, separators=(',', ':'))}\n")
        out.write("]}\n")


def trace_events(accounts: Accounts, cost: CostReport) -> Iterator[Event]:
    """The events of a batch of ``cost.images``, layer after layer. ``cost``: what ``accounts`` or a run made of it."""
    return _Tracer(accounts, cost).events()


class _Tracer:
    def __init__(self, accounts: Accounts, cost: CostReport) -> None:
        self.accounts = accounts
        self.cost = cost
        self.cycle_us = accounts.target.timing.cycle_s * 1e6

    def events(self) -> Iterator[Event]:
        plans = self.accounts.plans(self.cost.images)
        yield from _names(max((min(len(plan.run_cycles), MAX_TILE_TRACKS) for plan in plans), default=0))
        start = 0
        spent = dict.fromkeys(self.cost.components, 0.0)
        for index, plan in enumerate(plans):
            yield from self._energy(index, plan, start, spent)
            yield from self._layer(index, plan, start)
            start += plan.cycles
        nothing = dict.fromkeys(self.cost.components, 0.0)
        yield self._counter("power (W)", start, nothing)
        yield self._counter("energy (J)", start, spent)
        yield from self._use(start, [0, 0], [0, 0])

    def _energy(self, index: int, plan: LayerPlan, start: int, spent: dict[str, float]) -> Iterator[Event]:
        """Power during a layer, and the energy ``spent`` before it, which grows by the layer's."""
        yield self._counter("energy (J)", start, spent)
        of_batch = {part: joules * self.cost.images for part, joules in self.cost.layers[index].energy_J.items()}
        seconds = plan.cycles * self.accounts.target.timing.cycle_s
        if seconds:
            yield self._counter("power (W)", start, {part: joules / seconds for part, joules in of_batch.items()})
        for part, joules in of_batch.items():
            spent[part] += joules

    def _layer(self, index: int, plan: LayerPlan, start: int) -> Iterator[Event]:
        layer, counts = self.accounts.program.layers[index], self.accounts.counts[index]
        place = plan.placement
        figures = {"op": layer.op, "tiles": len(layer.tiles), "row_tiles": plan.row_tiles, "waves": place.waves}
        arrays = {
            "first_array": place.base,
            "arrays": place.arrays,
            "rows": plan.rows,
            "powered_rows": plan.active_rows,
        }
        yield self._slice(LAYERS, "layer", plan.name, start, start + plan.cycles, {**figures, **arrays})
        detailed: set[int] = set()
        for wave in waves(plan):
            if wave.number == MAX_WAVES:
                rest = f"waves {MAX_WAVES} to {place.waves - 1}"
                yield self._slice(WAVES, "wave", rest, start + wave.start, start + plan.cycles, {})
                break
            yield from self._wave(plan, wave, start)
            for track, job in enumerate(wave.jobs[:MAX_TILE_TRACKS]):
                spans: list[Span] = []
                if job.tile not in detailed:
                    detailed.add(job.tile)
                    export = int(plan.export_cycles[job.tile])
                    spans = tile_spans(layer.tiles[job.tile], counts[job.tile], self.accounts.target, export)
                yield from self._tile(plan, job, FIRST_TILE + track, start + wave.start, spans)

    def _wave(self, plan: LayerPlan, wave: Wave, start: int) -> Iterator[Event]:
        """Its slice, and its use of arrays and rows, which falls whenever a tile has ended."""
        name = f"{plan.name} wave {wave.number}"
        working = sum(job.arrays for job in wave.jobs)
        figures = {"tiles": len(wave.jobs), "arrays": working}
        yield self._slice(WAVES, "wave", name, start + wave.start, start + wave.stop, figures)
        ends = sorted({int(plan.run_cycles[job.tile]) for job in wave.jobs})
        for since, until in zip([0, *ends], ends, strict=False):
            busy = [job for job in wave.jobs if plan.run_cycles[job.tile] >= until]
            at_work = sum(job.arrays for job in busy)
            rows = [sum(values) for values in zip(*(self._rows(plan, job) for job in busy), strict=True)]
            yield from self._use(start + wave.start + since, [at_work, plan.placement.arrays - at_work], rows)

    def _rows(self, plan: LayerPlan, job: Job) -> tuple[int, int]:
        """(used, powered but empty) rows of a job's arrays."""
        size = self.accounts.target.array.rows
        first, last = job.first_row_tile * size, (job.first_row_tile + job.arrays) * size
        used = min(plan.rows, last) - first
        return used, min(plan.active_rows, last) - first - used

    def _tile(self, plan: LayerPlan, job: Job, track: int, start: int, spans: list[Span]) -> Iterator[Event]:
        figures = {"tile": job.tile, "first_row_tile": job.first_row_tile, "arrays": job.arrays}
        stop = start + int(plan.run_cycles[job.tile])
        yield self._slice(track, "tile", f"{plan.name} tile {job.tile}", start, stop, figures)
        for span in spans:
            yield self._slice(track, span.kind, span.name, start + span.start, start + span.stop, span.figures)

    def _use(self, cycle: int, arrays: list[int], rows: list[int]) -> Iterator[Event]:
        yield self._counter("arrays of the layer", cycle, dict(zip(("working", "waiting"), arrays, strict=True)))
        yield self._counter("powered rows", cycle, dict(zip(("used", "empty"), rows, strict=True)))

    def _slice(self, track: int, kind: str, name: str, start: int, stop: int, figures: dict[str, Any]) -> Event:
        """[start, stop) in cycles."""
        return {
            "name": name,
            "cat": kind,
            "ph": "X",
            "pid": _PROCESS,
            "tid": track,
            "ts": self._microseconds(start),
            "dur": round(self._microseconds(stop) - self._microseconds(start), _DIGITS),
            "args": {"cycles": stop - start, **figures},
        }

    def _counter(self, name: str, cycle: int, values: dict[str, Any]) -> Event:
        return {"name": name, "ph": "C", "pid": _PROCESS, "ts": self._microseconds(cycle), "args": _short(values)}

    def _microseconds(self, cycles: int) -> float:
        return round(cycles * self.cycle_us, _DIGITS)


def _short(values: dict[str, Any]) -> dict[str, Any]:
    """Without the digits that rounding leaves behind."""
    return {key: float(f"{value:.9g}") if isinstance(value, float) else value for key, value in values.items()}


def _names(tile_tracks: int) -> Iterator[Event]:
    """Names of the process and its tracks, in the order they are to be shown in."""
    yield {"name": "process_name", "ph": "M", "pid": _PROCESS, "args": {"name": "associative processor"}}
    tracks = ["layers", "waves", *(f"tiles, place {place} of the wave" for place in range(tile_tracks))]
    for number, name in enumerate(tracks):
        yield {"name": "thread_name", "ph": "M", "pid": _PROCESS, "tid": number, "args": {"name": name}}
        yield {"name": "thread_sort_index", "ph": "M", "pid": _PROCESS, "tid": number, "args": {"sort_index": number}}
