"""Seconds of a layer by part."""

from __future__ import annotations

import math

from backends.crossbar.convolution import Load, Run, passes_of, sum_width, width_grows
from backends.crossbar.mapping import Placement, multiplexer_steps
from backends.crossbar.traffic import Traffic


def sensing_period_s(run: Run) -> float:
    """One multiplexer step: settling and conversion."""
    timing = run.target.timing
    return timing.sensing_factor * run.adc.time_s + timing.sensing_fixed_s


def digital_period_s(run: Run) -> float:
    """A cycle of buses, buffers and adders: the sensing period where the chip is synchronous."""
    timing = run.target.timing
    return sensing_period_s(run) if timing.synchronous else timing.digital_period_s


def convolution_latency_s(run: Run, place: Placement, load: Load, traffic: Traffic) -> dict[str, float]:
    """Sensing of all bit planes, divided among all copies; adding up and buffers, divided among copies of tiles; and
    the bus (see ``traffic_latency_s``)."""
    target = run.target
    vectors = load.positions * load.bits * passes_of(target, place)
    width = sum_width(target, load.bits, place.columns_per_weight) if width_grows(place, load) else 0
    results = target.array.columns / place.columns_per_weight
    cycles = target.timing.accumulate_cycles * load.positions * results * width
    return {
        "adc": sensing_period_s(run) * multiplexer_steps(target) * vectors / place.duplication,
        "accumulate": digital_period_s(run) * cycles / place.copies,
        **traffic_latency_s(run, traffic, place.copies),
    }


def traffic_latency_s(run: Run, traffic: Traffic, copies: int = 1) -> dict[str, float]:
    """Buffers pass so many values a cycle; a word crosses the bus in cycles that grow with the side of the grid of
    tiles."""
    target = run.target
    wires = target.interconnect
    words = traffic.buffered_bits / wires.bus_bits
    hops = wires.bus_cycles * math.sqrt(run.plan.tiles)
    if wires.interconnect == "htree":
        hops *= wires.htree_cycles
    period = digital_period_s(run)
    return {
        "buffer": period * traffic.buffered_values / target.buffer.buffer_values_per_cycle / copies,
        "interconnect": period * hops * words,
    }
