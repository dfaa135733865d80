"""Crossbar targets: presets and files, read strictly. A preset may extend another and state only what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from backends.converter import Datasheet, Survey
from backends.crossbar import sections
from backends.crossbar.sections import ENTRIES, SECTIONS
from backends.figures import Format
from backends.target_file import Family, FileTarget
from backends.writing import Programming
from ir.errors import UserError

PRESET_FOLDER = Path(__file__).parent / "presets"


class CrossbarTargetError(UserError):
    """A crossbar target file, table or override that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class CrossbarTarget(FileTarget):
    """A complete, checked crossbar target."""

    family: ClassVar[Family] = Family(
        "crossbar", "crossbar target", PRESET_FOLDER, SECTIONS, Format(ENTRIES, CrossbarTargetError)
    )

    workload: sections.Workload
    array: sections.Array
    adc: sections.Adc
    sar: sections.Sar
    flash: sections.Flash
    survey: Survey
    datasheet: Datasheet
    periphery: sections.Periphery
    hierarchy: sections.Hierarchy
    interconnect: sections.Interconnect
    buffer: sections.Buffer
    timing: sections.Timing
    leakage: sections.Leakage
    digital: sections.Digital
    programming: Programming

    def contradiction(self) -> str:
        """Sizes that do not fit each other."""
        array, adc = self.array, self.adc
        if adc.columns_per_adc > array.columns:
            return f"adc.columns_per_adc is {adc.columns_per_adc}, more than array.columns ({array.columns})"
        if array.rows_parallel > array.rows:
            return f"array.rows_parallel is {array.rows_parallel}, more than array.rows ({array.rows})"
        if array.cell_kind == "sram" and array.cell_bits != 1:
            return f"array.cell_bits is {array.cell_bits}, but an SRAM cell holds 1 bit"
        return ""


def crossbar_names() -> list[str]:
    """The crossbar targets that come with the tool, sorted."""
    return CrossbarTarget.family.names()


def load_crossbar(name_or_path: str | Path, overrides: Iterable[str] = ()) -> CrossbarTarget:
    """A crossbar by the name of its preset or by its file: ``FileTarget.load``."""
    return CrossbarTarget.load(name_or_path, overrides)
