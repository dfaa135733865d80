"""Targets: every hardware figure of an RTM associative processor, each with its unit and its source.

A target is a TOML file. Each entry is a table ``{value, source, year, assumed}`` under ``[section.key]``; the unit
is part of the key. Loading is strict: unknown, missing, negative or mistyped entries raise ``TargetError``, whose
one line names the file and the key.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ir.errors import UserError

PRESET_FOLDER = Path(__file__).parent / "targets"


class TargetError(UserError):
    """A target file, table or override that cannot be used."""


@dataclass(frozen=True)
class ArrayFigures:
    """Sizes. ``rows`` x ``columns`` nanowires of ``domains`` bits an array; ``arrays`` on the chip, grouped in
    tiles and banks; empty rows are gated in blocks of ``row_gate_rows``."""

    rows: int
    columns: int
    domains: int
    row_gate_rows: int
    arrays: int
    arrays_per_tile: int
    tiles_per_bank: int


@dataclass(frozen=True)
class Wire:
    """The ends of a nanowire: ``guard_domains`` beyond the data at each, and the bit in the domains that enter where a
    displaced wire's content has moved away."""

    guard_domains: int
    entering_bit: int


@dataclass(frozen=True)
class Features:
    """``search_or``: the tag register can OR the result of a search into what it holds."""

    search_or: bool


@dataclass(frozen=True)
class Timing:
    """``cycle_s`` in seconds; cycles of one micro-operation; bits an array receives in one transfer cycle."""

    cycle_s: float
    search_cycles: int
    write_cycles: int
    shift_cycles: int
    transfer_bits_per_cycle: int


@dataclass(frozen=True)
class Energy:
    """Joules: a search per active row (precharge and sense) and per key column of an array (driver); a bit
    written; a nanowire shifted by one domain; an encoded instruction bit fetched and broadcast; a bit moved
    within an array, tile or bank, or through the global buffer."""

    search_row_J: float
    search_key_column_J: float
    write_bit_J: float
    shift_step_J: float
    control_bit_J: float
    move_bit_array_J: float
    move_bit_tile_J: float
    move_bit_bank_J: float
    move_bit_global_J: float


@dataclass(frozen=True)
class Device:
    """Leakage and area of one array with its periphery; writes a cell endures."""

    leakage_array_W: float
    area_array_m2: float
    endurance_writes: float


@dataclass(frozen=True)
class Provenance:
    """Where a figure comes from. ``assumed``: at least one step to the value is not published (``source`` says
    which and why). ``year``: of the publication, or of the derivation made for this project."""

    source: str
    year: int
    assumed: bool


@dataclass(frozen=True)
class _Entry:
    """What is allowed for one key. ``unit`` is for people; bounds are inclusive unless ``positive``."""

    kind: type
    unit: str
    low: float = 0
    high: float = math.inf
    positive: bool = False


_ENTRIES: dict[str, dict[str, _Entry]] = {
    "array": {
        "rows": _Entry(int, "rows", 64, 1 << 20),
        "columns": _Entry(int, "columns", 16, 65535),
        "domains": _Entry(int, "bits per nanowire", 1, 255),
        "row_gate_rows": _Entry(int, "rows", 64, 1 << 20),
        "arrays": _Entry(int, "arrays on the chip", 1, 1 << 24),
        "arrays_per_tile": _Entry(int, "arrays", 1, 1 << 24),
        "tiles_per_bank": _Entry(int, "tiles", 1, 1 << 24),
    },
    "wire": {
        "guard_domains": _Entry(int, "domains at each end", 0, 255),
        "entering_bit": _Entry(int, "0 or 1", 0, 1),
    },
    "features": {"search_or": _Entry(bool, "")},
    "timing": {
        "cycle_s": _Entry(float, "s", 0, 1, positive=True),
        "search_cycles": _Entry(int, "cycles", 1, 1_000_000),
        "write_cycles": _Entry(int, "cycles", 1, 1_000_000),
        "shift_cycles": _Entry(int, "cycles", 1, 1_000_000),
        "transfer_bits_per_cycle": _Entry(int, "bits/cycle", 1, 1 << 24),
    },
    "energy": {field.name: _Entry(float, "J", 0, 1) for field in fields(Energy)},
    "device": {
        "leakage_array_W": _Entry(float, "W", 0, 1e6),
        "area_array_m2": _Entry(float, "m2", 0, 1),
        "endurance_writes": _Entry(float, "writes per cell", 0, 1e30, positive=True),
    },
}
_SECTIONS: dict[str, type] = {
    "array": ArrayFigures,
    "wire": Wire,
    "features": Features,
    "timing": Timing,
    "energy": Energy,
    "device": Device,
}
_SECTION_OF = {key: section for section, entries in _ENTRIES.items() for key in entries}
_SET_SOURCE = "set by the user"


@dataclass(frozen=True)
class Figure:
    """One line of a target, as `apc targets show` prints it."""

    key: str
    value: int | float | bool
    unit: str
    provenance: Provenance


@dataclass(frozen=True)
class Target:
    """A complete, checked target. ``provenance`` maps "section.key" to where that figure comes from."""

    name: str
    description: str
    array: ArrayFigures
    wire: Wire
    features: Features
    timing: Timing
    energy: Energy
    device: Device
    provenance: Mapping[str, Provenance]

    def figures(self) -> list[Figure]:
        """Every figure in the order of the file format."""
        return [
            Figure(
                f"{section}.{key}",
                getattr(getattr(self, section), key),
                entry.unit,
                self.provenance[f"{section}.{key}"],
            )
            for section, entries in _ENTRIES.items()
            for key, entry in entries.items()
        ]

    def as_table(self) -> dict[str, Any]:
        """A JSON-able snapshot: {name, description, section: {key: number}, sources: {section: {key: {...}}}}."""
        table: dict[str, Any] = {"name": self.name, "description": self.description}
        sources: dict[str, dict[str, Any]] = {}
        for figure in self.figures():
            section, key = figure.key.split(".")
            table.setdefault(section, {})[key] = figure.value
            origin = figure.provenance
            sources.setdefault(section, {})[key] = {
                "source": origin.source,
                "year": origin.year,
                "assumed": origin.assumed,
            }
        table["sources"] = sources
        return table

    @staticmethod
    def from_table(table: Mapping[str, Any], where: str = "target table") -> Target:
        """The inverse of ``as_table``. Raises TargetError, whose message begins with ``where``."""
        header = _header(table, {*_SECTIONS, "sources"}, where)
        sources = _table(table, "sources", where)
        _refuse_unknown(sources, _SECTIONS, where, "sources.")
        values: dict[str, dict[str, Any]] = {}
        provenance: dict[str, Provenance] = {}
        for section, entries in _ENTRIES.items():
            numbers = _table(table, section, where)
            origins = _table(sources, section, where, "sources.")
            _refuse_unknown(numbers, entries, where, f"{section}.")
            _refuse_unknown(origins, entries, where, f"sources.{section}.")
            values[section] = {}
            for key, entry in entries.items():
                name = f"{section}.{key}"
                if key not in numbers:
                    raise TargetError(f"{where}: {name} is missing")
                values[section][key] = _checked(numbers[key], entry, name, where)
                origin = _table(origins, key, where, f"sources.{section}.")
                provenance[name] = _provenance(origin, f"sources.{name}", where)
        return _assemble(header, values, provenance, where)


def preset_names() -> list[str]:
    """The targets that come with the tool, sorted."""
    return sorted(path.stem for path in PRESET_FOLDER.glob("*.toml"))


def load_target(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Target:
    """A preset by name or a .toml file by path, with ``overrides`` ("KEY=VALUE" or "section.KEY=VALUE") applied.

    Raises TargetError for an unknown preset, an unreadable or unusable file, or an unusable override.
    """
    presets = preset_names()
    if str(name_or_path) in presets:
        path = PRESET_FOLDER / f"{name_or_path}.toml"
    else:
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise TargetError(f"unknown target '{name_or_path}': name a .toml file or one of {', '.join(presets)}")
    document = _read(path)
    target = _from_document(document, str(path))
    return _override(target, list(overrides))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"{path}: cannot read the target file: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number beyond Python's digit limit
        raise TargetError(f"{path}: not a TOML file: {' '.join(str(error).split())}") from error


def _from_document(document: Mapping[str, Any], where: str) -> Target:
    header = _header(document, set(_SECTIONS), where)
    values: dict[str, dict[str, Any]] = {}
    provenance: dict[str, Provenance] = {}
    for section, entries in _ENTRIES.items():
        content = _table(document, section, where)
        _refuse_unknown(content, entries, where, f"{section}.")
        values[section] = {}
        for key, entry in entries.items():
            name = f"{section}.{key}"
            figure = _table(content, key, where, f"{section}.")
            if "value" not in figure:
                raise TargetError(f"{where}: {name}.value is missing")
            values[section][key] = _checked(figure["value"], entry, name, where)
            provenance[name] = _provenance({k: v for k, v in figure.items() if k != "value"}, name, where)
    return _assemble(header, values, provenance, where)


def _override(target: Target, overrides: list[str]) -> Target:
    table = target.as_table()
    for text in overrides:
        where = f"--set {text}"
        name, equals, value_text = text.partition("=")
        key = name.strip().rpartition(".")[2]
        section = _SECTION_OF.get(key)
        if not equals or section is None or name.strip() not in (key, f"{section}.{key}"):
            raise TargetError(f"{where}: write KEY=VALUE with a key that `apc targets show {target.name}` lists")
        try:
            value = tomllib.loads(f"value = {value_text.strip()}")["value"]
        except (ValueError, KeyError, RecursionError) as error:
            raise TargetError(f"{where}: '{value_text.strip()}' is not a number, true or false") from error
        table[section][key] = _checked(value, _ENTRIES[section][key], f"{section}.{key}", where)
        table["sources"][section][key] = {
            "source": _SET_SOURCE,
            "year": target.provenance[f"{section}.{key}"].year,
            "assumed": True,
        }
    if not overrides:
        return target
    table["name"] = f"{target.name} with {', '.join(text.strip() for text in overrides)}"
    return Target.from_table(table, f"--set {' '.join(overrides)}")


def _assemble(
    header: tuple[str, str], values: dict[str, dict[str, Any]], provenance: dict[str, Provenance], where: str
) -> Target:
    name, description = header
    array = values["array"]
    if array["row_gate_rows"] % 64:
        raise TargetError(f"{where}: array.row_gate_rows is {array['row_gate_rows']}, not a multiple of 64")
    if array["rows"] % array["row_gate_rows"]:
        raise TargetError(
            f"{where}: array.rows is {array['rows']}, not a multiple of array.row_gate_rows ({array['row_gate_rows']})"
        )
    sections = {section: kind(**values[section]) for section, kind in _SECTIONS.items()}
    return Target(name=name, description=description, provenance=provenance, **sections)


def _header(document: Mapping[str, Any], sections: set[str], where: str) -> tuple[str, str]:
    if not isinstance(document, Mapping):
        raise TargetError(f"{where}: expected a table, not {type(document).__name__}")
    _refuse_unknown(document, {"name", "description", *sections}, where, "")
    return _text(document, "name", where, ""), _text(document, "description", where, "")


def _provenance(origin: Mapping[str, Any], name: str, where: str) -> Provenance:
    _refuse_unknown(origin, ("source", "year", "assumed"), where, f"{name}.")
    source = _text(origin, "source", where, f"{name}.")
    year, assumed = origin.get("year"), origin.get("assumed")
    if isinstance(year, bool) or not isinstance(year, int) or not 1900 <= year <= 2200:
        raise TargetError(f"{where}: {name}.year must be a year, not {_shown(year)}")
    if not isinstance(assumed, bool):
        raise TargetError(f"{where}: {name}.assumed must be true or false, not {_shown(assumed)}")
    return Provenance(source, year, assumed)


def _checked(value: object, entry: _Entry, name: str, where: str) -> int | float | bool:
    """``value`` as ``entry.kind``, or TargetError. A whole number is accepted for a float, nothing else is cast."""
    if entry.kind is bool:
        if isinstance(value, bool):
            return value
        raise TargetError(f"{where}: {name} must be true or false, not {_shown(value)}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TargetError(f"{where}: {name} must be a number, not {_shown(value)}")
    if entry.kind is int and not isinstance(value, int):
        raise TargetError(f"{where}: {name} must be a whole number, not {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise TargetError(f"{where}: {name} must be finite, not {value}")
    if not entry.low <= value <= entry.high or (entry.positive and value <= 0):
        opening = "above" if entry.positive else "from"
        raise TargetError(
            f"{where}: {name} must be {opening} {_bound(entry.low)} to {_bound(entry.high)}, not {_shown(value)}"
        )
    return int(value) if entry.kind is int else float(value)


def _table(parent: Mapping[str, Any], key: str, where: str, prefix: str = "") -> Mapping[str, Any]:
    if key not in parent:
        raise TargetError(f"{where}: {prefix}{key} is missing")
    if not isinstance(parent[key], Mapping):
        raise TargetError(f"{where}: {prefix}{key} must be a table, not {_shown(parent[key])}")
    return parent[key]


def _text(parent: Mapping[str, Any], key: str, where: str, prefix: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value.strip():
        raise TargetError(f"{where}: {prefix}{key} must be a non-empty string, not {_shown(value)}")
    return value


def _refuse_unknown(content: Mapping[str, Any], known: Iterable[str], where: str, prefix: str) -> None:
    known = set(known)
    for key in content:
        if key not in known:
            raise TargetError(f"{where}: unknown entry {prefix}{_shown(key)}; known: {', '.join(sorted(known))}")


def _bound(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def _shown(value: object) -> str:
    """A value for an error message: short and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a huge number"
    text = str(value) if isinstance(value, str) and value.isidentifier() else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
