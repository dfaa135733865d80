"""Analog-to-digital converters: energy, time and area of one conversion by kind and resolution."""

from __future__ import annotations

from dataclasses import dataclass

from backends.crossbar.target import CrossbarTarget


@dataclass(frozen=True)
class Converter:
    """One converter at the target's resolution, figures at its reference node.

    energy_J     of a conversion, without the current of the column
    idle_J       of a conversion where no row of the array is on
    time_s       of a conversion
    area_m2      of one converter
    """

    energy_J: float
    idle_J: float
    time_s: float
    area_m2: float


def converter(target: CrossbarTarget) -> Converter:
    """The converter that ``adc_kind`` names.

    sar        power = fixed + bits * slope over bits + 1 cycles (NeuroSim V1.4)
    flash      2**bits - 1 comparators and reference columns (NeuroSim's multilevel sense amplifier)
    survey     the trend of published converters: floor + step * 2**bits, one cycle a bit and one more
    datasheet  one published converter; energy and area scale with resolution as the survey's
    """
    bits = target.adc.adc_bits
    if target.adc.adc_kind == "sar":
        sar = target.sar
        time = (bits + 1) * sar.sar_cycle_s
        power = sar.sar_power_W + bits * sar.sar_power_bit_W
        return Converter(power * time, sar.sar_idle_power_W * time, time, sar.sar_area_m2 + bits * sar.sar_area_bit_m2)
    if target.adc.adc_kind == "flash":
        flash = target.flash
        levels = (1 << bits) - 1
        time = flash.flash_time_s + levels * flash.flash_time_level_s
        energy = levels * (flash.flash_energy_level_J + flash.flash_power_level_W * time)
        return Converter(energy, energy, time, levels * flash.flash_area_level_m2)
    energy = survey_energy_J(target, bits)
    if target.adc.adc_kind == "survey":
        area = energy * target.survey.survey_area_m2_per_J
        return Converter(energy, energy, (bits + 1) * target.survey.survey_cycle_s, area)
    sheet = target.datasheet
    ratio = energy / survey_energy_J(target, sheet.datasheet_bits)
    energy = sheet.datasheet_power_W / sheet.datasheet_rate_Hz * ratio
    return Converter(energy, energy, 1 / sheet.datasheet_rate_Hz, sheet.datasheet_area_m2 * ratio)


def survey_energy_J(target: CrossbarTarget, bits: int) -> float:
    """Energy of one conversion on the trend of published converters."""
    return target.survey.survey_energy_J + target.survey.survey_energy_level_J * 2.0**bits
