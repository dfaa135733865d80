"""A measured number and the limit it must keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Limit:
    """``value``: the worst that is accepted."""

    relation: Literal["<=", ">=", "=="]
    value: float

    def holds(self, measured: float) -> bool:
        if self.relation == "==":
            return measured == self.value
        return measured <= self.value if self.relation == "<=" else measured >= self.value


@dataclass(frozen=True)
class Result:
    """One row. Ratios are to a peer measured in the same run; ``note`` names it. Without a limit it is for reading."""

    measure: str
    value: float
    unit: str
    limit: Limit | None = None
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """None where there is nothing to reach."""
        return None if self.limit is None else self.limit.holds(self.value)

    @property
    def measured(self) -> str:
        return number(self.value, self.unit)

    @property
    def to_reach(self) -> str:
        if self.limit is None:
            return ""
        words = {"<=": "at most ", ">=": "at least ", "==": ""}[self.limit.relation]
        return words + number(self.limit.value, self.unit)


def number(value: float, unit: str) -> str:
    """Integers whole, the rest with three or four digits: (12345, "s") -> "12,345 s", (7.25, "x") -> "7.25x"."""
    if float(value).is_integer():
        text = f"{int(value):,}"
    else:
        text = f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text}{unit}" if unit == "x" else f"{text} {unit}".rstrip()
