"""The converter of a crossbar: one of the kinds of ``backends.converter``, or one of NeuroSim's."""

from __future__ import annotations

from backends.converter import Converter, datasheet_converter, survey_converter
from backends.crossbar.target import CrossbarTarget


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
    if target.adc.adc_kind == "survey":
        return survey_converter(target.survey, bits)
    return datasheet_converter(target.datasheet, target.survey, bits)
