"""Backends whose energy is a sum of events times figures, priced by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apc.comparison.backend import Backend
from backends.cost import CostReport, LayerCost, cost_report
from backends.target import Figure, Provenance, TargetError

COMPONENTS = {
    "energy.search_row_J": "sense",
    "energy.search_key_column_J": "sense",
    "energy.write_bit_J": "compute",
    "energy.shift_step_J": "compute",
    "energy.control_bit_J": "control",
    "energy.move_J": "movement",
    "adc.conversion_J": "adc",
    "array.cell_J": "compute",
}
AP_KEYS = tuple(COMPONENTS)[:5]
LIMIT_J = 1.0


def figure(key: str, value: object, unit: str = "J", assumed: bool = False) -> Figure:
    return Figure(key, value, unit, Provenance(f"source of {key}", 2020, assumed))


def report(events: Mapping[str, float], values: Mapping[str, float], name: str) -> CostReport:
    layers = []
    for share, layer in ((0.25, "first"), (0.75, "last")):
        energy = {key: share * count * values[key] for key, count in events.items()}
        counters = {"conversions": share * events.get("adc.conversion_J", 0.0), "macs": share * 1000}
        layers.append(LayerCost(layer, energy, {"compute": share * 1e-3}, {"compute": share * 1e-6}, counters))
    return cost_report(name, COMPONENTS, layers)


def backend(
    name: str,
    kind: str,
    events: Mapping[str, float],
    values: Mapping[str, float],
    others: Sequence[Figure] = (),
    linear: Sequence[str] = (),
) -> Backend:
    """``others``: figures without effect. Figures above LIMIT_J are refused."""

    def reprice(key: str, value: float) -> float:
        if value > LIMIT_J and key in values:
            raise TargetError(f"{key} must not be {value}")
        return report(events, {**values, key: value}, name).energy_by_component_J()["total"]

    return Backend(
        preset=name,
        name=name,
        kind=kind,
        description=f"about {name}",
        overrides=[],
        report=(cost := report(events, values, name)),
        batch=1,
        batch_s=cost.latency_s(),
        macs=1000,
        figures=[*(figure(key, value) for key, value in values.items()), *others],
        reprice=reprice,
        energy_source="made up",
        events={key: events[key] for key in linear},
    )


def ap(events: Sequence[float] = (10, 20, 30, 40, 50, 60), values: Sequence[float] = (1, 2, 3, 4, 5, 6)) -> Backend:
    """Search, key, write, shift, control and movement; values in femtojoules."""
    keys = (*AP_KEYS, "energy.move_J")
    prices = {key: value * 1e-15 for key, value in zip(keys, values, strict=True)}
    return backend("ap", "rtm-ap", dict(zip(keys, events, strict=True)), prices, linear=AP_KEYS)


def crossbar(conversions: float = 100, conversion_J: float = 5e-15, other_J: float = 4e-13) -> Backend:
    """Conversions, cells and movement, both of ``other_J`` in all."""
    events = {"adc.conversion_J": conversions, "array.cell_J": 10.0, "energy.move_J": 10.0}
    values = {"adc.conversion_J": conversion_J, "array.cell_J": other_J / 20, "energy.move_J": other_J / 20}
    return backend("crossbar", "crossbar", events, values)
