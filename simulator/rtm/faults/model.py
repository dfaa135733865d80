"""What can go wrong and how often; docs/faults.md explains every figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ir.errors import UserError

MOST_GUARD_DOMAINS = 255


class FaultError(UserError):
    """Fault figures that cannot be used; the message names the figure as the file format does."""


@dataclass(frozen=True)
class ShiftFaults:
    """Probabilities per nanowire and step: it moves one step more than it should (``over``), not at all (``under``), or
    stays where it is until the operation ends (``pinning``). Or, per nanowire and operation, of moving one step too far
    or too short, by the number of steps: ``by_distance[n - 1]``, the last for longer ones."""

    over: float = 0.0
    under: float = 0.0
    pinning: float = 0.0
    by_distance: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("over", "under", "pinning"):
            _check_probability(f"shift.{name}", getattr(self, name))
        for index, probability in enumerate(self.by_distance):
            _check_probability(f"shift.by_distance[{index}]", probability)
        if self.by_distance and self.per_step:
            raise FaultError("shift.by_distance takes the place of shift.over, under and pinning: give either")
        if self.per_step > 1:
            raise FaultError(f"shift.over, under and pinning are {self.per_step:g} together, more than 1")

    @property
    def per_step(self) -> float:
        """The probability that a step goes wrong in one of the three ways."""
        return self.over + self.under + self.pinning

    @property
    def candidate_rate(self) -> float:
        """A probability per step that none exceeds: what events are drawn with before they are thinned."""
        return max(self.by_distance) if self.by_distance else self.per_step

    def of_distance(self, steps: int) -> float:
        """The probability ``by_distance`` gives an operation of ``steps`` steps."""
        return self.by_distance[min(steps, len(self.by_distance)) - 1]


@dataclass(frozen=True)
class SearchFaults:
    """Probabilities per row and search: of a match where there is none, and of none where there is one."""

    false_match: float = 0.0
    false_mismatch: float = 0.0

    def __post_init__(self) -> None:
        _check_probability("search.false_match", self.false_match)
        _check_probability("search.false_mismatch", self.false_mismatch)

    @property
    def candidate_rate(self) -> float:
        """The larger of the two: a row either matches or does not."""
        return max(self.false_match, self.false_mismatch)


@dataclass(frozen=True)
class WriteFaults:
    """Probability per cell that should flip: it does not."""

    not_switched: float = 0.0

    def __post_init__(self) -> None:
        _check_probability("write.not_switched", self.not_switched)


@dataclass(frozen=True)
class StuckWires:
    """Probabilities per nanowire: its port reads 0, or 1, whatever is written."""

    zero: float = 0.0
    one: float = 0.0

    def __post_init__(self) -> None:
        _check_probability("stuck.zero", self.zero)
        _check_probability("stuck.one", self.one)
        if self.rate > 1:
            raise FaultError(f"stuck.zero and stuck.one are {self.rate:g} together, more than 1")

    @property
    def rate(self) -> float:
        return self.zero + self.one


@dataclass(frozen=True)
class Mitigation:
    """``realign_every``: displaced wires are moved back before every instruction whose number is a positive multiple of
    it (0: only at the end of a tile). ``correct``: a position-error code puts back at once what one operation displaces
    by at most so many steps. ``guard_domains``: at each end of a wire; None: as many as the target has."""

    realign_every: int = 0
    correct: int = 0
    guard_domains: int | None = None

    def __post_init__(self) -> None:
        _check_number("mitigation.realign_every", self.realign_every, None)
        _check_number("mitigation.correct", self.correct, MOST_GUARD_DOMAINS)
        if self.guard_domains is not None:
            _check_number("mitigation.guard_domains", self.guard_domains, MOST_GUARD_DOMAINS)
            self.check_code(self.guard_domains)

    def check_code(self, guard_domains: int) -> None:
        """Raise FaultError where the position-error code needs more guard domains than these."""
        if self.correct > guard_domains:
            raise FaultError(
                f"mitigation.correct is {self.correct}, but there are only {guard_domains} guard domains at each end of"
                " a wire (mitigation.guard_domains), where the code lives"
            )


@dataclass(frozen=True)
class Faults:
    """Everything that can go wrong, and what is done about it."""

    shift: ShiftFaults = field(default_factory=ShiftFaults)
    search: SearchFaults = field(default_factory=SearchFaults)
    write: WriteFaults = field(default_factory=WriteFaults)
    stuck: StuckWires = field(default_factory=StuckWires)
    mitigation: Mitigation = field(default_factory=Mitigation)

    def on(self, target: Mapping[str, Any]) -> WireFaults:
        """These faults on the nanowires of ``target`` (a program's table). Raises FaultError where the position-error
        code needs more guard domains than there are."""
        wire = target["wire"]
        guard = self.mitigation.guard_domains
        if guard is None:
            guard = int(wire["guard_domains"])
        self.mitigation.check_code(guard)
        return WireFaults(self, guard, int(wire["entering_bit"]))


@dataclass(frozen=True)
class WireFaults:
    """``Faults`` on wires of a known build: ``guard_domains`` beyond the data at each end; ``entering_bit``: what the
    domains hold that enter at an end of a displaced wire."""

    faults: Faults = field(default_factory=Faults)
    guard_domains: int = 0
    entering_bit: int = 0


def _check_probability(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise FaultError(f"{name} must be a probability from 0 to 1, not {value!r}")


def _check_number(name: str, value: object, most: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (most is not None and value > most):
        bound = "0 or more" if most is None else f"from 0 to {most}"
        raise FaultError(f"{name} must be a whole number, {bound}, not {value!r}")
