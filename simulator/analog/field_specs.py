"""What a plain field of a configuration may hold and what it means: its check and its JSON schema."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any

from ir.errors import UserError


@dataclass(frozen=True)
class Choice:
    """One of ``names``; ``optional``: or None."""

    meaning: str
    names: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Switch:
    """True or false."""

    meaning: str


@dataclass(frozen=True)
class Number:
    """A number in [low, high], without ``low`` itself where ``above``; ``whole``: an integer; ``optional``: or None;
    ``infinite``: or ``"inf"``."""

    meaning: str
    low: float
    high: float
    whole: bool = False
    above: bool = False
    optional: bool = False
    infinite: bool = False


Spec = Choice | Switch | Number


def bits(meaning: str, low: int = 0, high: int = 16, optional: bool = False) -> Number:
    """A number of bits."""
    return Number(meaning, low, high, whole=True, optional=optional)


def checked(name: str, value: Any, spec: Spec, error: type[UserError]) -> Any:
    """``value`` as ``spec`` wants it; raises ``error``."""
    if value is None and not isinstance(spec, Switch) and spec.optional:
        return None
    if isinstance(spec, Choice):
        if not isinstance(value, str) or value not in spec.names:
            raise bad(name, value, f"one of {', '.join(spec.names)}", error)
        return value
    if isinstance(spec, Switch):
        if not isinstance(value, bool):
            raise bad(name, value, "true or false", error)
        return value
    return _number(name, value, spec, error)


def _number(name: str, value: Any, spec: Number, error: type[UserError]) -> float | int:
    bounds = f"{'more than' if spec.above else 'from'} {spec.low:g} to {spec.high:g}"
    wanted = f"a{' whole' if spec.whole else ''} number {bounds}"
    if spec.infinite and value == "inf":
        return math.inf
    if isinstance(value, bool) or not isinstance(value, numbers.Integral if spec.whole else numbers.Real):
        raise bad(name, value, wanted, error)
    number = int(value) if isinstance(value, numbers.Integral) and spec.whole else float(value)
    if not spec.low <= number <= spec.high or (spec.above and number == spec.low):  # false for nan as well
        raise bad(name, value, wanted, error)
    return number


def bad(name: str, value: Any, wanted: str, error: type[UserError]) -> UserError:
    """The error of a field whose value is not what is ``wanted``."""
    return error(f"{name} = {value!r}: must be {wanted}")


def schema_of(spec: Spec) -> dict[str, Any]:
    """The JSON schema of a value that ``checked`` lets pass."""
    described = {"description": spec.meaning}
    if isinstance(spec, Choice):
        return described | {"enum": [*spec.names, *([None] if spec.optional else [])]}
    if isinstance(spec, Switch):
        return described | {"type": "boolean"}
    number: dict[str, Any] = {"type": "integer" if spec.whole else "number"}
    number["exclusiveMinimum" if spec.above else "minimum"] = spec.low
    if math.isfinite(spec.high):
        number["maximum"] = spec.high
    others: list[dict[str, Any]] = [{"type": "null"}] if spec.optional else []
    others += [{"const": "inf"}] if spec.infinite else []
    return described | ({"anyOf": [number, *others]} if others else number)
