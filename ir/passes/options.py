"""Passes and their options as text: ``a,b{x=1,y=auto},c``, and ``b.x=1`` for one option.

An option is a field of the pass's dataclass: bool, int, float or Literal, bounded by a ``Range`` where
``Annotated[int, Range(0)]`` says so. What is printed reads back as the same pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints

from ir.errors import UserError


class Named(Protocol):
    """A frozen dataclass with a name; its fields are its options."""

    name: ClassVar[str]


T = TypeVar("T", bound=Named)


@dataclass(frozen=True)
class Range:
    """The values that a number may have, both ends included."""

    least: float
    most: float = math.inf


@dataclass(frozen=True)
class Option:
    """One option of a pass. ``kind``: bool, int, float or str; ``choices``: of a str; ``range``: of a number."""

    name: str
    kind: type
    default: Any
    choices: tuple[str, ...] = ()
    range: Range = Range(-math.inf)

    def parse(self, text: str) -> Any:
        """The value that ``text`` says. Raises ValueError, naming what would be right."""
        text = text.strip()
        value: Any = None
        if self.kind is bool:
            value = {"true": True, "false": False}.get(text)
        elif self.kind is str:
            value = text if text in self.choices else None
        elif re.fullmatch(
            r"[+-]?[0-9]+" if self.kind is int else r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", text
        ):
            number = self.kind(text)
            value = number if self.range.least <= number <= self.range.most and math.isfinite(number) else None
        if value is None:
            raise ValueError(f"must be {self.values}, not {text!r}")
        return value

    @property
    def values(self) -> str:
        """What it may be, in words."""
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        noun = "an integer" if self.kind is int else "a number"
        bounds = (self.range.least, self.range.most)
        least, most = (value_text(bound) if math.isfinite(bound) else "" for bound in bounds)
        if least and most:
            return f"{noun} from {least} to {most}"
        return f"{noun}, at least {least}" if least else noun


def options_of(kind: type) -> dict[str, Option]:
    """The options of a pass, by name, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: _option(field.name, hints[field.name], field.default) for field in fields(kind)}


def _option(name: str, hint: Any, default: Any) -> Option:
    if get_origin(hint) is Annotated:
        plain, bounds = get_args(hint)
        return Option(name, plain, default, range=bounds)
    if get_origin(hint) is Literal:
        return Option(name, str, default, choices=get_args(hint))
    return Option(name, hint, default)


def parse_passes(text: str, known: Mapping[str, type[T]]) -> list[T]:
    """``a,b{x=1,y=2},c`` as passes. Raises UserError for a pass, an option or a value that does not exist."""
    passes = []
    for part in re.split(r",(?![^{]*\})", text):
        if not part.strip():
            continue
        found = re.fullmatch(r"\s*([^{}]*?)\s*(?:\{([^{}]*)\}\s*)?", part)
        if found is None:
            raise UserError(f"--passes: cannot read {part.strip()!r}: write PASS or PASS{{OPTION=VALUE,OPTION=VALUE}}")
        name, inside = found[1], found[2] or ""
        kind = _known(name, known, "--passes")
        given: dict[str, Any] = {}
        for assignment in filter(str.strip, inside.split(",")):
            option, sign, value = (word.strip() for word in assignment.partition("="))
            if not sign:
                raise UserError(f"--passes: {name}{{{option}}} has no value: write {name}{{OPTION=VALUE}}")
            if option in given:
                raise UserError(f"--passes: {name}{{{option}=...}} is given twice")
            given[option] = _value(kind, option, value, "--passes")
        passes.append(kind(**given))
    return passes


def parse_option(text: str, known: Mapping[str, type[T]]) -> tuple[type[T], dict[str, Any]]:
    """``PASS.OPTION=VALUE`` as a pass and its one option. Raises UserError as ``parse_passes`` does."""
    where = f"--pass-option {text.strip()}"
    target, sign, value = text.partition("=")
    name, dot, option = (word.strip() for word in target.partition("."))
    if not (sign and dot and option):
        if name in known and not options_of(known[name]):
            raise UserError(f"{where}: {name} has no options; list it with --passes to turn it on")
        raise UserError(f"{where}: write PASS.OPTION=VALUE")
    kind = _known(name, known, where)
    return kind, {option: _value(kind, option, value, where)}


def as_text(item: Named) -> str:
    """A pass with the options that differ from its defaults: ``b{x=2}``."""
    changed = []
    for option in options_of(type(item)).values():
        value = getattr(item, option.name)
        if value != option.default:
            changed.append(f"{option.name}={value_text(value)}")
    return f"{item.name}{{{','.join(changed)}}}" if changed else item.name


def value_text(value: Any) -> str:
    """An option's value as it is written."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def changed(item: T, values: Mapping[str, Any]) -> T:
    """The pass with other values of some options."""
    kept = {name: getattr(item, name) for name in options_of(type(item))}
    return type(item)(**{**kept, **values})


def _known(name: str, known: Mapping[str, type[T]], where: str) -> type[T]:
    if name not in known:
        raise UserError(f"{where}: there is no pass {name!r}: choose from {', '.join(known)}")
    return known[name]


def _value(kind: type[T], name: str, text: str, where: str) -> Any:
    options = options_of(kind)
    if name not in options:
        advice = f"choose from {', '.join(options)}" if options else "it has none"
        raise UserError(f"{where}: pass {kind.name} has no option {name!r}: {advice}")
    try:
        return options[name].parse(text)
    except ValueError as error:
        raise UserError(f"{where}: {kind.name}.{name} {error}") from None
