"""Where an associative processor and an array tie: its energy is linear in each figure, so this is solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apc.comparison.backend import Backend

HEADLINE = 7.5
HEADLINE_SOURCE = "arXiv 2401.12630 (DATE 2024): ResNet-18, ternary weights, 4-bit activations, against crossbar CIM"
HEADLINE_MOVEMENT = (0.03, 0.3, 0.7)
"""The same paper's share of the energy that moves activations: its own, and from to for crossbars."""
DEVICE_FIGURES = ("energy.search_row_J", "energy.write_bit_J", "energy.shift_step_J")
"""Figures of the cells themselves, which another device would change together."""


@dataclass(frozen=True)
class FigureBreakEven:
    """The value of one figure, all others as they are, at which both sides take the same energy (``tie_value``) and
    at which the crossbar takes 7.5 times as much (``headline_value``); None where no value from zero up does it.
    ``ratio_at_zero``: of the energies, crossbar over AP, with the figure at 0 (None where nothing else is left)."""

    key: str
    unit: str
    value: float
    events_per_image: float
    tie_value: float | None
    headline_value: float | None
    ratio_at_zero: float | None


@dataclass(frozen=True)
class JointBreakEven:
    """The same for several figures scaled by one factor. ``energy_J``: of all of them, an image."""

    keys: tuple[str, ...]
    energy_J: float
    tie_factor: float | None
    headline_factor: float | None
    ratio_at_zero: float | None


@dataclass(frozen=True)
class AdcBreakEven:
    """The crossbar's converters: their energy per image and conversion, and the factor on it, and the energy of a
    conversion, at which the crossbar ties; None where no energy from zero up does it."""

    energy_J: float
    conversions: float
    energy_per_conversion_J: float | None
    tie_factor: float | None
    tie_per_conversion_J: float | None


@dataclass(frozen=True)
class BreakEven:
    """``ap`` against ``crossbar``, an array of any kind, by name. ``ratio``: its energy over that of the AP;
    ``headline_crossbar_J``: the energy per image that it would have at 7.5 times the AP's."""

    ap: str
    crossbar: str
    ratio: float
    headline_crossbar_J: float
    figures: Sequence[FigureBreakEven]
    devices: JointBreakEven
    adc: AdcBreakEven | None

    @property
    def reaches_headline(self) -> bool:
        return self.ratio >= HEADLINE


def break_even(ap: Backend, crossbar: Backend) -> BreakEven:
    """All break-even points of a pair."""
    goals = crossbar.energy_J, crossbar.energy_J / HEADLINE
    values = {figure.key: figure for figure in ap.figures}
    figures = []
    for key, events in ap.events.items():
        value = float(values[key].value)
        tie, headline = (_value(ap.energy_J, value, events, goal) for goal in goals)
        without = _ratio_without(ap.energy_J, events * value, goals[0])
        figures.append(FigureBreakEven(key, values[key].unit, value, events, tie, headline, without))
    devices = sum(ap.events[key] * float(values[key].value) for key in DEVICE_FIGURES)
    tie, headline = (_value(ap.energy_J, 1.0, devices, goal) for goal in goals)
    joint = JointBreakEven(DEVICE_FIGURES, devices, tie, headline, _ratio_without(ap.energy_J, devices, goals[0]))
    return BreakEven(
        ap.name,
        crossbar.name,
        crossbar.energy_J / ap.energy_J,
        HEADLINE * ap.energy_J,
        figures,
        joint,
        _adc(crossbar, ap.energy_J),
    )


def _value(energy_J: float, value: float, events: float, goal_J: float) -> float | None:
    """Where ``energy_J`` has ``events`` at ``value`` joules each: the value at which it is ``goal_J``."""
    if not events:
        return None
    solved = (goal_J - (energy_J - events * value)) / events
    return solved if solved >= 0 else None


def _ratio_without(energy_J: float, part_J: float, goal_J: float) -> float | None:
    left = energy_J - part_J
    return goal_J / left if left > 0 else None


def _adc(crossbar: Backend, goal_J: float) -> AdcBreakEven | None:
    energy = crossbar.report.energy_by_component_J().get("adc", 0.0)
    if not energy:
        return None
    conversions = crossbar.counter("conversions")
    factor = _value(crossbar.energy_J, 1.0, energy, goal_J)
    each = energy / conversions if conversions else None
    tie = None if factor is None or each is None else factor * each
    return AdcBreakEven(energy, conversions, each, factor, tie)
