"""What a network costs, in the words that every backend shares.

A report has energy, latency and area per layer and part. Parts carry a backend's own names ("search", "adc" ...);
``components`` maps each to the shared vocabulary, by which backends are compared. All figures of one kind lie on one
binary grid, so that float64 sums over parts, layers or components are exact in any order: parts sum to totals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

COMPONENTS = ("compute", "sense", "adc", "accumulate", "buffer", "movement", "control", "leakage")
"""The shared vocabulary. ``adc`` is a sense that digitises; a backend has one of the two."""


@dataclass(frozen=True)
class LayerCost:
    """One layer: parts of its energy in joules, latency in seconds and area in square metres (of silicon that is
    the layer's alone), and the backend's own event counters."""

    name: str
    energy_J: Mapping[str, float]
    latency_s: Mapping[str, float]
    area_m2: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CostReport:
    """The cost of one network on one backend: energy per image, latency of a batch of ``images``.

    ``components``: part name -> word of COMPONENTS. ``shared_area_m2``: silicon that the layers use in turn.
    Make it with ``cost_report``, which puts the figures on their grids.
    """

    backend: str
    images: int
    components: Mapping[str, str]
    layers: Sequence[LayerCost]
    shared_area_m2: Mapping[str, float]

    def energy_J(self) -> dict[str, float]:
        """Energy per image by part over all layers, and their exact sum as "total"."""
        return _with_total(_sums((part, value) for layer in self.layers for part, value in layer.energy_J.items()))

    def energy_by_component_J(self) -> dict[str, float]:
        """Energy per image by word of COMPONENTS (those that occur), and their exact sum as "total"."""
        return self._by_component_J(self.layers)

    def layer_energy_J(self, layer: LayerCost) -> dict[str, float]:
        """The same of one layer."""
        return self._by_component_J([layer])

    def _by_component_J(self, layers: Sequence[LayerCost]) -> dict[str, float]:
        return _with_total(
            _sums((self.components[part], value) for layer in layers for part, value in layer.energy_J.items())
        )

    def latency_s(self) -> float:
        """Seconds for the batch: layers follow one another, and so do the parts of a layer."""
        return sum(value for layer in self.layers for value in layer.latency_s.values())

    def area_m2(self) -> dict[str, float]:
        """Area by part, shared and the layers' own, and their exact sum as "total"."""
        own = [item for layer in self.layers for item in layer.area_m2.items()]
        return _with_total(_sums([*self.shared_area_m2.items(), *own]))


def cost_report(
    backend: str,
    components: Mapping[str, str],
    layers: Sequence[LayerCost],
    shared_area_m2: Mapping[str, float] | None = None,
    images: int = 1,
) -> CostReport:
    """A report whose figures are rounded to their common grids (relative to the total: 2**-52).

    Raises ValueError for a negative or non-finite figure, an unknown component or a part without one.
    """
    for layer in layers:
        for part in layer.energy_J:
            if components.get(part) not in COMPONENTS:
                raise ValueError(f"layer {layer.name}: the part '{part}' has no component of {COMPONENTS}")
    energy = iter(on_grid([value for layer in layers for value in layer.energy_J.values()]))
    latency = iter(on_grid([value for layer in layers for value in layer.latency_s.values()]))
    shared = dict(shared_area_m2 or {})
    area = iter(on_grid([*shared.values(), *(value for layer in layers for value in layer.area_m2.values())]))
    shared = {part: next(area) for part in shared}
    rounded = [
        replace(
            layer,
            energy_J={part: next(energy) for part in layer.energy_J},
            latency_s={part: next(latency) for part in layer.latency_s},
            area_m2={part: next(area) for part in layer.area_m2},
        )
        for layer in layers
    ]
    return CostReport(backend, images, dict(components), rounded, shared)


def exposed(parts: dict[str, float], overlap: bool) -> dict[str, float]:
    """What of a layer's parts is seen from outside: all of them one after another, or, where they overlap, the
    longest."""
    if not overlap or not parts:
        return parts
    longest = max(parts, key=lambda part: parts[part])
    return {part: value if part == longest else 0.0 for part, value in parts.items()}


def on_grid(values: Sequence[float]) -> list[float]:
    """``values`` (finite, >= 0) rounded to multiples of one power of two, fine enough for 52 bits of their sum, so
    that every float64 sum of any of them is exact."""
    if any(not math.isfinite(value) or value < 0 for value in values):
        raise ValueError("a cost must be finite and not negative")
    exponent = math.frexp(math.fsum(values))[1]  # sum < 2**exponent
    if exponent - 52 < -1074:
        return list(values)  # multiples of the smallest denormal already
    return [math.ldexp(round(math.ldexp(value, 52 - exponent)), exponent - 52) for value in values]


def _sums(items: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, value in items:
        sums[name] = sums.get(name, 0.0) + value
    return sums


def _with_total(sums: dict[str, float]) -> dict[str, float]:
    return {**sums, "total": sum(sums.values())}
