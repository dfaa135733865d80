"""SRAM compute-in-memory targets: presets and files, read strictly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from backends.converter import (
    Capacitive,
    Converter,
    Datasheet,
    Survey,
    capacitive_converter,
    datasheet_converter,
    survey_converter,
)
from backends.figures import Format
from backends.sram_acim import sections
from backends.sram_acim.sections import ENTRIES, SECTIONS
from backends.target_file import Family, FileTarget
from backends.writing import Programming
from ir.errors import UserError

PRESET_FOLDER = Path(__file__).parent / "presets"


class AcimTargetError(UserError):
    """An SRAM compute-in-memory target file, table or override that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class AcimTarget(FileTarget):
    """A complete, checked SRAM compute-in-memory target."""

    family: ClassVar[Family] = Family(
        "sram-acim", "SRAM target", PRESET_FOLDER, SECTIONS, Format(ENTRIES, AcimTargetError)
    )

    workload: sections.Workload
    array: sections.Array
    dac: sections.Dac
    adc: sections.Adc
    capacitive: Capacitive
    survey: Survey
    datasheet: Datasheet
    hybrid: sections.Hybrid
    voting: sections.Voting
    adders: sections.Adders
    interconnect: sections.Interconnect
    buffer: sections.Buffer
    timing: sections.Timing
    leakage: sections.Leakage
    digital: sections.Digital
    programming: Programming

    def contradiction(self) -> str:
        """Sizes that do not fit each other."""
        columns, shared = self.array.columns, self.adc.columns_per_adc
        if shared > columns:
            return f"adc.columns_per_adc is {shared}, more than array.columns ({columns})"
        if self.voting.voting % 2 == 0:
            return f"voting.voting is {self.voting.voting}: a majority needs an odd number of conversions"
        if self.voting.voting > 1 and not self.voting.voting_level:
            return f"voting.voting_level is 0: no cycle votes, though voting.voting is {self.voting.voting}"
        return ""


def acim_names() -> list[str]:
    """The SRAM compute-in-memory targets that come with the tool, sorted."""
    return AcimTarget.family.names()


def load_acim(name_or_path: str | Path, overrides: Iterable[str] = ()) -> AcimTarget:
    """An SRAM compute-in-memory target by the name of its preset or by its file: ``FileTarget.load``."""
    return AcimTarget.load(name_or_path, overrides)


def converter(target: AcimTarget) -> Converter:
    """The converter that ``adc_kind`` names, at the target's resolution."""
    bits = target.adc.adc_bits
    if target.adc.adc_kind == "capacitive":
        return capacitive_converter(target.capacitive, target.array.supply_V, bits)
    if target.adc.adc_kind == "survey":
        return survey_converter(target.survey, bits)
    return datasheet_converter(target.datasheet, target.survey, bits)
