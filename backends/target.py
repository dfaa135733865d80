"""Targets: every hardware figure of an RTM associative processor, each with its unit and its source.

A target is a TOML file. Each entry is a table ``{value, source, year, assumed}`` under ``[section.key]``; the unit
is part of the key. Loading is strict: unknown, missing, negative or mistyped entries raise ``TargetError``, whose
one line names the file and the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from backends.figures import Entry, Figure, Format, Provenance
from backends.target_file import Family, FileTarget
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


@dataclass(frozen=True, kw_only=True)
class Target(FileTarget):
    """A complete, checked target."""

    family: ClassVar[Family] = Family("rtm-ap", "target", PRESET_FOLDER, _SECTIONS, Format(_ENTRIES, TargetError))

    array: ArrayFigures
    wire: Wire
    features: Features
    timing: Timing
    energy: Energy
    device: Device

    def contradiction(self) -> str:
        """Rows that gates do not divide."""
        rows, gate = self.array.rows, self.array.row_gate_rows
        if gate % 64:
            return f"array.row_gate_rows is {gate}, not a multiple of 64"
        if rows % gate:
            return f"array.rows is {rows}, not a multiple of array.row_gate_rows ({gate})"
        return ""


def preset_names() -> list[str]:
    """The targets that come with the tool, sorted."""
    return Target.family.names()


def load_target(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Target:
    """A target by the name of its preset or by its file: ``FileTarget.load``."""
    return Target.load(name_or_path, overrides)
