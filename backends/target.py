"""Targets: every hardware figure of an RTM associative processor, each with its unit and its source.

A target is a TOML file. Each entry is a table ``{value, source, year, assumed}`` under ``[section.key]``; the unit
is part of the key. Loading is strict: unknown, missing, negative or mistyped entries raise ``TargetError``, whose
one line names the file and the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from backends.figures import Contents, Entry, Figure, Format, Provenance
from ir.errors import UserError

__all__ = ["Figure", "Provenance", "Target", "TargetError", "load_target", "preset_names"]

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


_ENTRIES: dict[str, dict[str, Entry]] = {
    "array": {
        "rows": Entry(int, "rows", 64, 1 << 20),
        "columns": Entry(int, "columns", 16, 65535),
        "domains": Entry(int, "bits per nanowire", 1, 255),
        "row_gate_rows": Entry(int, "rows", 64, 1 << 20),
        "arrays": Entry(int, "arrays on the chip", 1, 1 << 24),
        "arrays_per_tile": Entry(int, "arrays", 1, 1 << 24),
        "tiles_per_bank": Entry(int, "tiles", 1, 1 << 24),
    },
    "wire": {
        "guard_domains": Entry(int, "domains at each end", 0, 255),
        "entering_bit": Entry(int, "0 or 1", 0, 1),
    },
    "features": {"search_or": Entry(bool, "")},
    "timing": {
        "cycle_s": Entry(float, "s", 0, 1, positive=True),
        "search_cycles": Entry(int, "cycles", 1, 1_000_000),
        "write_cycles": Entry(int, "cycles", 1, 1_000_000),
        "shift_cycles": Entry(int, "cycles", 1, 1_000_000),
        "transfer_bits_per_cycle": Entry(int, "bits/cycle", 1, 1 << 24),
    },
    "energy": {field.name: Entry(float, "J", 0, 1) for field in fields(Energy)},
    "device": {
        "leakage_array_W": Entry(float, "W", 0, 1e6),
        "area_array_m2": Entry(float, "m2", 0, 1),
        "endurance_writes": Entry(float, "writes per cell", 0, 1e30, positive=True),
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
_FORMAT = Format(_ENTRIES, TargetError)


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

    def _contents(self) -> Contents:
        sections = (self.array, self.wire, self.features, self.timing, self.energy, self.device)
        values = {name: vars(section) for name, section in zip(_SECTIONS, sections, strict=True)}
        return Contents(self.name, self.description, values, self.provenance)

    def figures(self) -> list[Figure]:
        """Every figure in the order of the file format."""
        return _FORMAT.figures(self._contents())

    def as_table(self) -> dict[str, Any]:
        """A JSON-able snapshot: {name, description, section: {key: number}, sources: {section: {key: {...}}}}."""
        return _FORMAT.as_table(self._contents())

    @staticmethod
    def from_table(table: Mapping[str, Any], where: str = "target table") -> Target:
        """The inverse of ``as_table``. Raises TargetError, whose message begins with ``where``."""
        return _assemble(_FORMAT.from_table(table, where), where)


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
    contents = _FORMAT.from_document(_FORMAT.read(path), str(path))
    target = _assemble(contents, str(path))
    changes = list(overrides)
    if not changes:
        return target
    return Target.from_table(_FORMAT.override(contents, changes), f"--set {' '.join(changes)}")


def _assemble(contents: Contents, where: str) -> Target:
    array = contents.values["array"]
    rows, gate = int(array["rows"]), int(array["row_gate_rows"])
    if gate % 64:
        raise TargetError(f"{where}: array.row_gate_rows is {gate}, not a multiple of 64")
    if rows % gate:
        raise TargetError(f"{where}: array.rows is {rows}, not a multiple of array.row_gate_rows ({gate})")
    sections = {section: kind(**contents.values[section]) for section, kind in _SECTIONS.items()}
    return Target(contents.name, contents.description, provenance=contents.provenance, **sections)
