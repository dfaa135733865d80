"""The cost of a network on a crossbar chip, in closed form: energy, latency, area, events.

Physics and published behaviour (Peng et al., ISCAS 2019; NeuroSim V1.4 as documented and run), from bit densities and
mean conductances instead of traces. Plain floats: a network of 20 layers takes about a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backends.activity import Activity
from backends.cost import CostReport, LayerCost, cost_report, exposed
from backends.crossbar.converter import converter
from backends.crossbar.convolution import Load, Run, array_energy_J, array_events, load_of
from backends.crossbar.digital import offset_energy_J, requantise_bits
from backends.crossbar.latency import convolution_latency_s, traffic_latency_s
from backends.crossbar.mapping import Placement, floorplan
from backends.crossbar.silicon import chip
from backends.crossbar.target import CrossbarTarget
from backends.crossbar.traffic import buffer_energy_J, convolution_traffic, elementwise_traffic
from backends.workload import LayerWork, elementwise_bits
from backends.writing import written

COMPONENTS = {
    "array": "compute",
    "adc": "adc",
    "row_switch": "compute",
    "multiplexer": "compute",
    "shift_add": "accumulate",
    "adder_tree": "accumulate",
    "offset": "accumulate",
    "elementwise": "compute",
    "buffer": "buffer",
    "interconnect": "movement",
    "dram": "movement",
    "programming": "compute",
    "leakage": "leakage",
}
"""Parts of the energy of a crossbar, and their words in the shared vocabulary. What NeuroSim prints as ADC is array and
adc here, its accumulation shift_add and adder_tree, its other components row_switch and multiplexer."""


def crossbar_cost(works: Sequence[LayerWork], target: CrossbarTarget, activity: Activity | None = None) -> CostReport:
    """The cost of one image of ``works`` (``layer_works`` of a graph) on ``target``.

    Inputs that ``activity`` has not measured follow the rules of ``backends.activity``. The latency is that of
    one image through all layers; in a pipeline a new image enters every ``interval_s``, for which the chip's
    leakage is charged: the energy is that of an image among many. Each layer's
    ``counters``: arrays, tiles, duplication, macs, array_reads, conversions, cell_reads, cells,
    moved_bits, programmed_cells, programming_J.
    """
    convs = [work for work in works if work.kind == "conv"]
    measured = activity.layers if activity is not None else {}
    loads = {work.name: load_of(work, target, measured.get(work.name)) for work in convs}
    plan = floorplan(convs, target)
    weight_bits = max((load.weight_bits for load in loads.values()), default=1)
    planes = max((load.bits for load in loads.values()), default=1)
    scale = (target.array.technology_nm / target.array.reference_nm) ** target.array.energy_exponent
    run = Run(target, converter(target), plan, chip(plan, target, weight_bits, planes), scale)
    places = {work.name: place for work, place in zip(convs, plan.placements, strict=True)}
    layers = [
        _convolution(run, work, places[work.name], loads[work.name]) if work.name in places else _elementwise(run, work)
        for work in works
        if work.kind == "conv" or target.digital.count_elementwise
    ]
    layers = _with_dram(run, works, layers)
    return cost_report(target.name, COMPONENTS, _with_leakage(run, layers), run.chip.area_m2)


def interval_s(report: CostReport, target: CrossbarTarget) -> float:
    """Seconds between images that follow one another: the slowest layer of a pipeline, else the whole latency."""
    if not target.hierarchy.pipeline:
        return report.latency_s()
    return max((sum(layer.latency_s.values()) for layer in report.layers), default=0.0)


def _convolution(run: Run, work: LayerWork, place: Placement, load: Load) -> LayerCost:
    target = run.target
    traffic = convolution_traffic(run, work, place, load)
    operations = requantise_bits(run, work, place, load)
    events = array_events(run, work, place, load)
    weights = written(events["cells"] * place.duplication, target.array.rows, target.programming)
    every = target.programming.images_per_programming
    energy = {
        **array_energy_J(run, work, place, load),
        "offset": offset_energy_J(run, work, place, load),
        "elementwise": operations * target.digital.elementwise_J * run.scale,
        "buffer": buffer_energy_J(run, traffic),
        "interconnect": traffic.wires_J,
        "programming": weights.energy_J / every if every else 0.0,
    }
    latency = {
        **convolution_latency_s(run, place, load, traffic),
        "elementwise": operations / target.digital.elementwise_bits_per_s,
    }
    events |= {"moved_bits": traffic.chip_bits}
    events |= {"programmed_cells": weights.cells, "programming_J": weights.energy_J}
    return LayerCost(work.name, energy, exposed(latency, target.timing.overlap), {}, events)


def _elementwise(run: Run, work: LayerWork) -> LayerCost:
    traffic = elementwise_traffic(run, work)
    operations = elementwise_bits(work, run.target.digital.multiplier_bits)
    digital = run.target.digital
    energy = {
        "elementwise": operations * digital.elementwise_J * run.scale,
        "buffer": buffer_energy_J(run, traffic),
        "interconnect": traffic.wires_J,
    }
    latency = {**traffic_latency_s(run, traffic), "elementwise": operations / digital.elementwise_bits_per_s}
    counters = {"macs": 0.0, "moved_bits": traffic.chip_bits}
    return LayerCost(work.name, energy, exposed(latency, run.target.timing.overlap), {}, counters)


def _with_dram(run: Run, works: Sequence[LayerWork], layers: list[LayerCost]) -> list[LayerCost]:
    """The image comes from DRAM and the result goes there, where the target counts it; weights stay on the chip."""
    digital = run.target.digital
    if not digital.count_dram or not layers:
        return layers
    bits = {layers[0].name: float(works[0].input_elements * works[0].activation_bits)}
    bits[layers[-1].name] = bits.get(layers[-1].name, 0.0) + works[-1].elements * works[-1].output_bits
    return [
        replace(
            layer,
            energy_J={**layer.energy_J, "dram": bits[layer.name] * digital.dram_J},
            latency_s={**layer.latency_s, "dram": bits[layer.name] / digital.dram_bits_per_s},
            counters={**layer.counters, "dram_bits": bits[layer.name]},
        )
        if layer.name in bits
        else layer
        for layer in layers
    ]


def _with_leakage(run: Run, layers: Sequence[LayerCost]) -> list[LayerCost]:
    """The whole chip leaks for as long as an image holds it; shared out by the layers' times."""
    stages = [sum(layer.latency_s.values()) for layer in layers]
    total = sum(stages)
    interval = max(stages, default=0.0) if run.target.hierarchy.pipeline else total
    leaked = run.chip.leakage_W * interval
    return [
        replace(layer, energy_J={**layer.energy_J, "leakage": leaked * stage / total if total else 0.0})
        for layer, stage in zip(layers, stages, strict=True)
    ]
