"""The figures of an SRAM compute-in-memory target: one dataclass a section, each field with its unit and bounds.

``weight_bits``, ``activation_bits``, ``dac_bits``, ``rows``, the sections ``adc``, ``hybrid`` and ``voting`` say what
the arrays compute too: the simulation of a target (``apc.array_configs.acim_config``) reads them here.
"""

from __future__ import annotations

from dataclasses import dataclass

from backends.converter import Capacitive, Datasheet, Survey
from backends.section_fields import entries_of, flag, real, whole, word
from backends.writing import Programming


@dataclass(frozen=True)
class Workload:
    """What runs. Bits 0: what the model says. Densities and toggle -1: measured, or else derived."""

    weight_bits: int = whole("bits, 0: of the model", 0, 16)
    activation_bits: int = whole("bits, 0: of the model", 0, 16)
    input_bit_density: float = real("share of ones, -1: measured or derived", -1.0, 1.0)
    weight_bit_density: float = real("share of ones, -1: of the model's weights", -1.0, 1.0)
    input_toggle: float = real("share of bits that change, -1: measured or derived", -1.0, 1.0)
    output_toggle: float = real("share of bits that change", 0.0, 1.0)


@dataclass(frozen=True)
class Array:
    """One array: ``rows`` that a conversion adds up and ``spare_rows`` that are never driven, of ``columns`` cells of
    one bit. A row drives ``wordline_F`` in each cell, as far as its digit goes; a cell whose product is not 0 moves
    ``cell_F``; both take the square of ``supply_V``. ``settle_s``: from the digit to the converters' input."""

    rows: int = whole("rows that are driven", 1, 65536)
    spare_rows: int = whole("rows", 0, 65536)
    columns: int = whole("columns", 16, 65536)
    supply_V: float = real("V", 0, 10, positive=True)
    wordline_F: float = real("F per cell", 0, 1e-9)
    cell_F: float = real("F per cell", 0, 1e-9)
    settle_s: float = real("s", 0, 1)
    cell_area_m2: float = real("m2 per cell", 0, 1)


@dataclass(frozen=True)
class Dac:
    """Digits of ``dac_bits`` on the rows. One bit needs no converter: a driver puts it on the row; more bits take a DAC
    a row, ``dac_bit_J`` a bit whatever the digit."""

    dac_bits: int = whole("bits of a digit", 1, 16)
    dac_bit_J: float = real("J per bit of a digit", 0, 1)
    row_driver_J: float = real("J per row that is on", 0, 1)
    dac_area_m2: float = real("m2 per row and bit, of more than one bit", 0, 1)
    row_driver_area_m2: float = real("m2 per row", 0, 1)


@dataclass(frozen=True)
class Adc:
    """The converter: ``adc_kind`` picks the section that prices it. Errors as of ``AcimConfig``: noise of every
    conversion, and standard deviations of what is static."""

    adc_kind: str = word("capacitive", "survey", "datasheet")
    adc_bits: int = whole("bits", 1, 16)
    columns_per_adc: int = whole("columns", 1, 65536)
    noise_lsb: float = real("codes, rms", 0, 1e6)
    offset_lsb: float = real("codes, rms", 0, 1e6)
    gain_sigma: float = real("", 0, 1e6)
    inl_lsb: float = real("codes, rms at mid-scale", 0, 1e6)


@dataclass(frozen=True)
class Hybrid:
    """Cycles that are computed digitally, beside the converters: those of the ``hybrid_level`` highest weights. A bit
    of a weight times a bit of an activation, added up, takes ``digital_mac_J``; a bit of the activations with all
    columns of an array at once takes ``digital_cycle_s``."""

    hybrid_level: int = whole("level", 0, 31)
    digital_mac_J: float = real("J per product of two bits", 0, 1)
    digital_cycle_s: float = real("s per bit of the activations", 0, 1)
    digital_area_m2: float = real("m2 per cell of a column with digital cycles", 0, 1)


@dataclass(frozen=True)
class Voting:
    """Conversions of one charge whose majority (``mode``) or ``median`` counts, in the cycles of ``voting_level``."""

    voting: int = whole("conversions, odd", 1, 31)
    voting_level: int = whole("level", 0, 31)
    voting_rule: str = word("mode", "median")


@dataclass(frozen=True)
class Adders:
    """Shifting and adding codes, and the sums of an output's arrays: one accumulator a converter."""

    adder_J: float = real("J per bit of a sum", 0, 1)
    accumulator_area_m2: float = real("m2 per bit of a sum", 0, 1)


@dataclass(frozen=True)
class Interconnect:
    """Wires: a bit that changes costs ``wire_J_per_m`` over ``chip_length`` of half the chip's side, and over the side
    of every array that it passes. ``input_reuse``: a row of windows shares all but a K-th of their inputs."""

    wire_J_per_m: float = real("J/m", 0, 1)
    chip_length: float = real("of half the side of the chip", 0, 100)
    input_reuse: bool = flag()
    bus_bits: int = whole("bits", 1, 1 << 20)


@dataclass(frozen=True)
class Buffer:
    """Activations between layers."""

    buffer_bit_J: float = real("J per bit written and read", 0, 1)
    buffer_area_m2: float = real("m2 per array", 0, 1)


@dataclass(frozen=True)
class Timing:
    """Bus and buffers have a clock of ``digital_period_s``, and where ``overlap`` work beside the arrays."""

    digital_period_s: float = real("s", 0, 1, positive=True)
    overlap: bool = flag()


@dataclass(frozen=True)
class Leakage:
    """Power of one array with its periphery, for as long as an image takes."""

    leakage_array_W: float = real("W per array", 0, 1)


@dataclass(frozen=True)
class Digital:
    """Bias, requantisation, residual additions and pooling."""

    elementwise_J: float = real("J per bit of a digital operation", 0, 1)
    elementwise_bits_per_s: float = real("bits/s", 0, 1e18, positive=True)
    multiplier_bits: int = whole("bits of a requantisation's factor", 1, 64)


SECTIONS: dict[str, type] = {
    "workload": Workload,
    "array": Array,
    "dac": Dac,
    "adc": Adc,
    "capacitive": Capacitive,
    "survey": Survey,
    "datasheet": Datasheet,
    "hybrid": Hybrid,
    "voting": Voting,
    "adders": Adders,
    "interconnect": Interconnect,
    "buffer": Buffer,
    "timing": Timing,
    "leakage": Leakage,
    "digital": Digital,
    "programming": Programming,
}
ENTRIES = entries_of(SECTIONS)
