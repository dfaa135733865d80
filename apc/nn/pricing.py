"""What layers cost: the models of ``apc compare``, a layer of a torch model at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from apc.accounting import Accounts
from apc.comparison.arrays import array_cost
from apc.nn.associative import RtmAp
from apc.nn.errors import ConversionError
from apc.nn.layer_program import OUTPUT, layer_graph, layer_program
from apc.nn.presets import Preset
from apc.nn.simulated import SimulatedLayer
from apc.nn.uses import LayerUse
from apc.options import Progress, silent
from apc.target_files import ArrayTarget
from backends.cost import LayerCost
from backends.crossbar.target import CrossbarTarget, load_crossbar
from backends.sram_acim.target import load_acim
from backends.workload import LayerWork, layer_works
from ir.errors import UserError
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from simulator.analog.crossbar_network import fitted

CROSSBAR, ACIM = "crossbar-rram-22nm", "acim-22nm"
"""The targets whose figures price a configuration that belongs to none."""
MOST_CELL_BITS = 8


@dataclass(frozen=True)
class Price:
    """Of one layer and image. ``target``: whose figures they are; ``arrays``: that it takes; ``utilisation``: share of
    their cells that hold weights (on associative processors: that its fields take); ``conversions``: of ADCs."""

    target: str
    arrays: int
    utilisation: float
    conversions: float
    energy_J: float
    latency_s: float


def prices(uses: Sequence[LayerUse], progress: Progress = silent) -> list[Price | None]:
    """Of each of ``uses``; None where nothing prices a layer: it is digital, or software.

    Layers on the same arrays form a chip, whose leakage they share. Inputs are taken to have the bit densities of
    ``backends.activity``. ``progress`` counts layers. Raises UserError for a layer that its target cannot hold.
    """
    result: dict[str, Price] = {}
    chips: dict[str, tuple[ArrayTarget, list[LayerUse]]] = {}
    for number, use in enumerate(uses):
        progress(number, len(uses), use.name)
        hardware = use.layer.hardware if isinstance(use.layer, SimulatedLayer) else None
        if isinstance(hardware, RtmAp):
            result[use.name] = _associative(use, hardware)
            continue
        target = cost_target(hardware)
        if target is not None:
            chips.setdefault(str(target.as_table()), (target, []))[1].append(use)
    for target, members in chips.values():
        report = array_cost([layer_work(use) for use in members], target)
        result |= {layer.name: _array_price(layer, target) for layer in report.layers}
    return [result.get(use.name) for use in uses]


@singledispatch
def cost_target(hardware: object) -> ArrayTarget | None:
    """The target that prices layers on ``hardware``; None where there is none."""
    return None


@cost_target.register
def _(hardware: Preset) -> ArrayTarget:
    return hardware.target


@cost_target.register
def _(hardware: AcimConfig) -> ArrayTarget:
    rows = ("rows", "adc_bits", "weight_bits", "dac_bits", "hybrid_level", "voting", "voting_level", "voting_rule")
    return load_acim(ACIM, [f"{name}={vars(hardware)[name]}" for name in rows])


@cost_target.register
def _(hardware: CrossbarConfig) -> ArrayTarget:
    """Sizes and bits that are left open stay those of the target; a cell without levels holds a weight."""
    figures = {
        "rows": hardware.rows_max,
        "columns": hardware.columns_max,
        "columns_per_adc": min(hardware.columns_max, load_crossbar(CROSSBAR).adc.columns_per_adc),
        "adc_bits": hardware.adc_bits,
        "cell_bits": min(hardware.slice_bits or MOST_CELL_BITS, MOST_CELL_BITS),
        "on_off_ratio": 0 if math.isinf(hardware.on_off_ratio) else hardware.on_off_ratio,
        "weight_bits": 1 if hardware.binary_mapping else hardware.weight_bits,
    }
    words = {
        "mapping": "differential" if hardware.differential else "offset",
        "subtract_in_analog": str(hardware.differential and hardware.subtract_in_analog).lower(),
    }
    given = {**{name: value for name, value in figures.items() if value}, **words}
    return load_crossbar(CROSSBAR, [f"{name}={value}" for name, value in given.items()])


def layer_work(use: LayerUse) -> LayerWork:
    """What a layer asks of its arrays for one image, all its calls together. Raises UserError where its kernel does not
    fit what it reads."""
    assert isinstance(use.layer, SimulatedLayer)
    graphs = [layer_graph(_kernel(use), use.layer.geometry, size, *use.span) for size in use.sizes]
    works = [layer_works(graph)[0] for graph in graphs]
    counts = list(use.sizes.values())
    positions = _total((work.positions for work in works), counts)
    taps = sum(work.tap_share * work.positions * count for work, count in zip(works, counts, strict=True))
    return replace(
        works[0],
        name=use.name,
        positions=positions,
        bare_positions=_total((work.bare_positions for work in works), counts),
        elements=_total((work.elements for work in works), counts),
        input_elements=_total((work.input_elements for work in works), counts),
        tap_share=taps / positions,
        output_bits=use.layer.quantisation.activation_bits,
        activation_bits=_planes(use, works[0].activation_bits),
    )


def _total(values: Iterable[int], counts: Iterable[int]) -> int:
    return sum(value * count for value, count in zip(values, counts, strict=True))


def _kernel(use: LayerUse) -> np.ndarray:
    assert isinstance(use.layer, SimulatedLayer)
    levels: np.ndarray = use.layer.kernel(use.layer.levels()[0]).cpu().numpy()
    return levels


def _planes(use: LayerUse, bits: int) -> int:
    """How often arrays are read for an input: ``bits`` times, a bit each, or as a crossbar's configuration slices
    inputs. A read of several bits is priced as one of a bit."""
    assert isinstance(use.layer, SimulatedLayer)
    hardware = use.layer.hardware
    if not isinstance(hardware, CrossbarConfig):
        return bits
    own = fitted(hardware, *use.span)
    return own.input_slices if own.adc_per_input_slice else 1


def _array_price(layer: LayerCost, target: ArrayTarget) -> Price:
    counters, array = layer.counters, target.array
    rows = array.rows if isinstance(target, CrossbarTarget) else target.array.rows + target.array.spare_rows
    arrays = round(counters["arrays"])
    return Price(
        target.name,
        arrays,
        counters["programmed_cells"] / (arrays * rows * array.columns),
        counters["conversions"],
        sum(layer.energy_J.values()),
        sum(layer.latency_s.values()),
    )


def _associative(use: LayerUse, hardware: RtmAp) -> Price:
    """The layer's own program, an image at a time."""
    assert isinstance(use.layer, SimulatedLayer)
    target = hardware.cost_target
    arrays, energy, latency, share = 0, 0.0, 0.0, 0.0
    for size, count in use.sizes.items():
        graph = layer_graph(_kernel(use), use.layer.geometry, size, *use.span)
        try:
            accounts = Accounts(layer_program(graph, target, hardware.level))
        except UserError as error:
            raise ConversionError(f"layer {use.name}: {error}") from error
        (statics,), report = accounts.layers(), accounts.cost(1)
        rows = graph.type(OUTPUT).positions * statics.tiles
        if statics.arrays > arrays:
            arrays = statics.arrays
            share = rows * statics.columns / (arrays * target.array.rows * target.array.columns)
        energy += count * report.energy_J()["total"]
        latency += count * report.latency_s()
    return Price(target.name, arrays, share, 0.0, energy, latency)
