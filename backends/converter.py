"""Analog-to-digital converters: energy, time and area of one conversion by kind and resolution."""

from __future__ import annotations

from dataclasses import dataclass

from backends.section_fields import real, whole


@dataclass(frozen=True)
class Survey:
    """The trend of published converters: energy = floor + step * 2^bits; area follows energy."""

    survey_energy_J: float = real("J", 0, 1)
    survey_energy_level_J: float = real("J per 2^bits", 0, 1)
    survey_cycle_s: float = real("s", 0, 1, positive=True)
    survey_area_m2_per_J: float = real("m2 per J of a conversion", 0, 1e12)


@dataclass(frozen=True)
class Datasheet:
    """One published converter; other resolutions scale with the trend of ``Survey``."""

    datasheet_bits: int = whole("bits", 1, 16)
    datasheet_power_W: float = real("W", 0, 100)
    datasheet_rate_Hz: float = real("conversions/s", 0, 1e12, positive=True)
    datasheet_area_m2: float = real("m2", 0, 1)


@dataclass(frozen=True)
class Capacitive:
    """A converter that charges capacitors, as ZigZag-IMC (github.com/KULeuven-MICAS/zigzag) has it: energy = (bits *
    per bit + 4^bits * per level) * V^2; its time grows with the bits, its area with 2^bits."""

    capacitive_bit_F: float = real("F per bit", 0, 1e-6)
    capacitive_level_F: float = real("F per 4^bits", 0, 1e-6)
    capacitive_bit_s: float = real("s per bit", 0, 1, positive=True)
    capacitive_level_m2: float = real("m2 per 2^bits", 0, 1)


@dataclass(frozen=True)
class Converter:
    """One converter, figures at the reference node of its target.

    energy_J     of a conversion, without the current of the column
    idle_J       of a conversion where no row of the array is on
    time_s       of a conversion
    area_m2      of one converter
    """

    energy_J: float
    idle_J: float
    time_s: float
    area_m2: float


def survey_energy_J(survey: Survey, bits: int) -> float:
    """Energy of one conversion on the trend of published converters."""
    return survey.survey_energy_J + survey.survey_energy_level_J * 2.0**bits


def survey_converter(survey: Survey, bits: int) -> Converter:
    """The trend of published converters: one cycle a bit and one more."""
    energy = survey_energy_J(survey, bits)
    return Converter(energy, energy, (bits + 1) * survey.survey_cycle_s, energy * survey.survey_area_m2_per_J)


def datasheet_converter(sheet: Datasheet, survey: Survey, bits: int) -> Converter:
    """One published converter; energy and area scale with resolution as the survey's."""
    ratio = survey_energy_J(survey, bits) / survey_energy_J(survey, sheet.datasheet_bits)
    energy = sheet.datasheet_power_W / sheet.datasheet_rate_Hz * ratio
    return Converter(energy, energy, 1 / sheet.datasheet_rate_Hz, sheet.datasheet_area_m2 * ratio)


def capacitive_converter(figures: Capacitive, supply_V: float, bits: int) -> Converter:
    """Capacitors of a converter, charged to the supply."""
    charged_F = bits * figures.capacitive_bit_F + 4.0**bits * figures.capacitive_level_F
    energy = charged_F * supply_V**2
    return Converter(energy, energy, bits * figures.capacitive_bit_s, 2.0**bits * figures.capacitive_level_m2)
