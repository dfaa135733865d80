"""What happens when, for the page's timeline: the static schedule of one image, in cycles from its start."""

from __future__ import annotations

from typing import Any

from apc.accounting import Accounts
from apc.trace.spans import tile_spans, waves

MAX_WAVES = 256
"""Waves of a layer that are listed one by one; the rest are one entry."""


def timeline(accounts: Accounts) -> list[dict[str, Any]]:
    """Of every layer: its waves, and the phases of the tile that its first wave waits for."""
    entries, start = [], 0
    for index, plan in enumerate(accounts.plans(1)):
        entries.append(
            {
                "layer": index,
                "start_cycle": start,
                "cycles": plan.cycles,
                "waves": _waves(accounts, index, start),
                "phases": _phases(accounts, index, start),
            }
        )
        start += plan.cycles
    return entries


def _waves(accounts: Accounts, index: int, start: int) -> list[dict[str, int]]:
    """``arrays``: at work in the wave."""
    plan = accounts.plans(1)[index]
    listed: list[dict[str, int]] = []
    for wave in waves(plan):
        arrays = sum(job.arrays for job in wave.jobs)
        if wave.number == MAX_WAVES:
            listed.append({"start_cycle": start + wave.start, "cycles": plan.cycles - wave.start, "arrays": arrays})
            break
        listed.append({"start_cycle": start + wave.start, "cycles": wave.stop - wave.start, "arrays": arrays})
    return listed


def _phases(accounts: Accounts, index: int, start: int) -> list[dict[str, Any]]:
    plan, layer = accounts.plans(1)[index], accounts.program.layers[index]
    if not len(plan.timetable.longest):
        return []
    tile = int(plan.timetable.longest[0])
    spans = tile_spans(layer.tiles[tile], accounts.counts[index][tile], accounts.target, int(plan.export_cycles[tile]))
    return [
        {"tile": tile, "name": span.name, "start_cycle": start + span.start, "cycles": span.stop - span.start}
        for span in spans
        if span.kind == "phase"
    ]
