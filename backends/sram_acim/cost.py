"""The cost of a network on an SRAM compute-in-memory chip, in closed form: energy, latency, area, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backends.activity import Activity
from backends.cost import CostReport, LayerCost, cost_report, exposed
from backends.sram_acim.convolution import Run, array_energy_J, array_events, array_time_s
from backends.sram_acim.load import Load, load_of
from backends.sram_acim.placement import Placement, place
from backends.sram_acim.silicon import chip, sum_width
from backends.sram_acim.target import AcimTarget, converter
from backends.sram_acim.traffic import Traffic, convolution_traffic, elementwise_traffic, traffic_time_s
from backends.workload import LayerWork, elementwise_bits
from backends.writing import written

COMPONENTS = {
    "array": "compute",
    "dac": "compute",
    "adc": "adc",
    "digital": "compute",
    "shift_add": "accumulate",
    "adder_tree": "accumulate",
    "elementwise": "compute",
    "buffer": "buffer",
    "interconnect": "movement",
    "programming": "compute",
    "leakage": "leakage",
}
"""Parts of the energy of an SRAM chip, and their words in the shared vocabulary."""


def acim_cost(works: Sequence[LayerWork], target: AcimTarget, activity: Activity | None = None) -> CostReport:
    """The cost of one image of ``works`` (``layer_works`` of a graph) on ``target``.

    Inputs that ``activity`` has not measured follow the rules of ``backends.activity``. All weights stay on the chip,
    and layers follow one another. Each layer's ``counters``: arrays, row_parts, macs, array_reads, conversions,
    digital_macs, cells, utilisation, moved_bits, programmed_cells, programming_J.
    """
    measured = activity.layers if activity is not None else {}
    convs = {work.name: work for work in works if work.kind == "conv"}
    loads = {name: load_of(work, target, measured.get(name)) for name, work in convs.items()}
    places = {name: place(work, target, loads[name].cycles.weight_bits) for name, work in convs.items()}
    run = Run(target, converter(target), chip(places.values(), loads.values(), target))
    layers = [
        _convolution(run, work, places[work.name], loads[work.name]) if work.name in convs else _elementwise(run, work)
        for work in works
    ]
    return cost_report(target.name, COMPONENTS, _with_leakage(run, layers), run.chip.area_m2)


def _convolution(run: Run, work: LayerWork, placed: Placement, load: Load) -> LayerCost:
    target = run.target
    traffic = convolution_traffic(run, work, placed, load)
    events = array_events(work, placed, load)
    weights = written(events["cells"], target.array.rows + target.array.spare_rows, target.programming)
    every = target.programming.images_per_programming
    energy = {
        **array_energy_J(run, work, placed, load),
        "programming": weights.energy_J / every if every else 0.0,
    }
    bits = float(work.positions) * work.outputs * work.groups * sum_width(target, load) * target.digital.multiplier_bits
    events |= {"programmed_cells": weights.cells, "programming_J": weights.energy_J}
    return _layer(run, work, bits, traffic, energy, {"array": array_time_s(run, work, load)}, events)


def _elementwise(run: Run, work: LayerWork) -> LayerCost:
    bits = elementwise_bits(work, run.target.digital.multiplier_bits)
    return _layer(run, work, bits, elementwise_traffic(run, work), {}, {}, {"macs": 0.0})


def _layer(
    run: Run,
    work: LayerWork,
    bits: float,
    traffic: Traffic,
    energy_J: dict[str, float],
    time_s: dict[str, float],
    events: dict[str, float],
) -> LayerCost:
    """What arrays take, and what every layer does: ``bits`` operations (bias and requantisation of a convolution), and
    its traffic."""
    digital = run.target.digital
    energy = {
        **energy_J,
        "elementwise": bits * digital.elementwise_J,
        "buffer": traffic.chip_bits * run.target.buffer.buffer_bit_J,
        "interconnect": traffic.wires_J,
    }
    time = {
        **time_s,
        "interconnect": traffic_time_s(run, traffic),
        "elementwise": bits / digital.elementwise_bits_per_s,
    }
    counters = {**events, "moved_bits": traffic.chip_bits}
    return LayerCost(work.name, energy, exposed(time, run.target.timing.overlap), {}, counters)


def _with_leakage(run: Run, layers: Sequence[LayerCost]) -> list[LayerCost]:
    """The whole chip leaks for as long as a layer takes."""
    power = run.chip.leakage_W
    return [
        replace(layer, energy_J={**layer.energy_J, "leakage": power * sum(layer.latency_s.values())})
        for layer in layers
    ]
