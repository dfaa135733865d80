"""Runs of several batches: how images are split, and what the batches add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backends.cost import CostReport, LayerCost, cost_report
from ir.errors import UserError
from simulator.rtm.counters import CLASSES, LayerCounters, Rows, TileEvents, tile_counters
from simulator.rtm.run import SimulationResult


def _per_program() -> frozenset[str]:
    """The counters that a tile which does one of everything has where there are no rows at all."""
    one, nothing, no_rows = np.ones(CLASSES, np.int64), np.zeros(CLASSES, np.int64), Rows(0, 0, 0)
    events = TileEvents(one, one, one, one, {0: (one, one)})
    counted = tile_counters(events, no_rows, {0: no_rows}, nothing, nothing)
    return frozenset(name for name, total in counted.totals().items() if total)


PER_PROGRAM = _per_program()
"""Counters of the instruction streams, whatever the number of images; all the others grow with them."""


def split(images: int, batch: int) -> list[slice]:
    """Batches of at most ``batch`` images; an empty one where there is none."""
    return [slice(first, min(first + batch, images)) for first in range(0, max(images, 1), batch)]


def image_count(inputs: Mapping[str, np.ndarray]) -> int:
    """Of all inputs. Raises UserError where they disagree."""
    counts = {name: len(array) if array.ndim else 1 for name, array in inputs.items()}
    if len(set(counts.values())) != 1:
        shown = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise UserError(f"the inputs disagree on the number of images: {shown}")
    return next(iter(counts.values()))


def add_up(parts: Sequence[SimulationResult]) -> SimulationResult:
    """The simulation of all images, one batch after another. Wear stays with the batches: which of them wears a cell
    most is another question."""
    each = list(zip(*(part.layers for part in parts), strict=True))
    return SimulationResult(
        sum(part.images for part in parts),
        {number: np.concatenate([part.tensors[number] for part in parts]) for number in parts[0].tensors},
        [add_counters(layer) for layer in each],
        [add_events(layer) for layer in zip(*(part.faults for part in parts), strict=True)],
    )


def add_counters(batches: Sequence[LayerCounters]) -> LayerCounters:
    """Events of one layer over all batches; what its program has whatever the batch is counted once."""
    total = LayerCounters()
    for counters in batches:
        total.add(counters)
    return replace(total, **{name: getattr(batches[0], name) for name in PER_PROGRAM})


def add_events(counts: Iterable[Counter[str]]) -> Counter[str]:
    """Events by kind."""
    return sum(counts, Counter())


def add_costs(batches: Sequence[CostReport]) -> CostReport:
    """Of batches that follow one another on the chip: energy per image over all of them, latency of all."""
    if len(batches) == 1:
        return batches[0]
    images, first = sum(batch.images for batch in batches), batches[0]
    layers = [
        _add_layer(of_batches, [batch.images / images for batch in batches])
        for of_batches in zip(*(batch.layers for batch in batches), strict=True)
    ]
    return cost_report(first.backend, first.components, layers, first.shared_area_m2, images)


def _add_layer(batches: Sequence[LayerCost], shares: Sequence[float]) -> LayerCost:
    """``shares``: of the images. The arrays of a layer are those of its largest batch."""
    first = batches[0]
    counters = {name: sum(batch.counters[name] for batch in batches) for name in first.counters}
    return LayerCost(
        first.name,
        {
            part: sum(batch.energy_J[part] * share for batch, share in zip(batches, shares, strict=True))
            for part in first.energy_J
        },
        {part: sum(batch.latency_s[part] for batch in batches) for part in first.latency_s},
        first.area_m2,
        {**counters, "arrays": max(batch.counters["arrays"] for batch in batches)},
    )
