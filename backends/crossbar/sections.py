"""The figures of a crossbar target: one dataclass a section, each field with its unit and bounds.

Figures are those at ``reference_nm``. At another ``technology_nm`` energies of circuits grow with that ratio to the
power ``energy_exponent``, areas with its square, cells with their feature size; wires per metre, cell currents, times
and leakage stay as they are given.
"""

from __future__ import annotations

from dataclasses import dataclass

from backends.converter import Datasheet, Survey
from backends.section_fields import entries_of, flag, real, whole, word
from backends.writing import Programming


@dataclass(frozen=True)
class Workload:
    """What runs. Bits 0: what the model says. Density, conductance and toggle -1: measured, or else derived.
    ``count_padding`` false: convolutions are taken as unpadded, as NeuroSim does. ``sign_plane``: inputs are sent
    with a sign bit even where they are unsigned."""

    weight_bits: int = whole("bits, 0: of the model", 0, 16)
    activation_bits: int = whole("bits, 0: of the model", 0, 16)
    input_bit_density: float = real("share of ones, -1: measured or derived", -1.0, 1.0)
    mean_cell_conductance_S: float = real("S with the access device, -1: of the model's weights", -1.0, 1.0)
    input_toggle: float = real("share of bits that change, -1: measured or derived", -1.0, 1.0)
    output_toggle: float = real("share of bits that change", 0.0, 1.0)
    count_padding: bool = flag()
    sign_plane: bool = flag()


@dataclass(frozen=True)
class Array:
    """One array and its cells. ``rows_parallel`` 0: all rows at once. ``mapping`` and ``adc_range`` are what
    the accuracy model needs of this target. ``column_supply_V``: the voltage behind the current of a read column,
    which is ``read_voltage_V`` times the siemens of its active cells; ``column_time_s`` 0: it flows during the whole
    conversion."""

    technology_nm: float = real("nm", 1.0, 1000.0)
    reference_nm: float = real("nm the figures are given at", 1.0, 1000.0)
    energy_exponent: float = real("", 0.0, 4.0)
    rows: int = whole("rows", 1, 65536)
    columns: int = whole("columns", 1, 65536)
    rows_parallel: int = whole("rows, 0: all", 0, 65536)
    cell_kind: str = word("rram", "sram")
    cell_bits: int = whole("bits", 1, 8)
    mapping: str = word("offset", "differential")
    subtract_in_analog: bool = flag()
    adc_range: str = word("max", "granular", "calibrated")
    cell_height_F: float = real("feature sizes", 0, 1e4, positive=True)
    cell_width_F: float = real("feature sizes", 0, 1e4, positive=True)
    on_resistance_ohm: float = real("ohm", 0, 1e12, positive=True)
    on_off_ratio: float = real("", 1, 1e12)
    access_resistance_ohm: float = real("ohm", 0, 1e9)
    read_voltage_V: float = real("V", 0, 10)
    supply_V: float = real("V", 0, 10, positive=True)
    column_supply_V: float = real("V", 0, 100)
    column_time_s: float = real("s, 0: of a conversion", 0, 1)
    wordline_F: float = real("F per cell", 0, 1e-9)
    cell_leakage_W: float = real("W per cell", 0, 1)


@dataclass(frozen=True)
class Adc:
    """The converter: ``adc_kind`` picks the section that prices it."""

    adc_kind: str = word("sar", "flash", "survey", "datasheet")
    adc_bits: int = whole("bits", 1, 16)
    columns_per_adc: int = whole("columns", 1, 65536)


@dataclass(frozen=True)
class Sar:
    """Successive approximation: logic power linear in the bits, a cycle a bit and one more."""

    sar_power_W: float = real("W", 0, 1)
    sar_power_bit_W: float = real("W per bit", 0, 1)
    sar_idle_power_W: float = real("W where no row is on", 0, 1)
    sar_cycle_s: float = real("s", 0, 1, positive=True)
    sar_area_m2: float = real("m2", 0, 1)
    sar_area_bit_m2: float = real("m2 per bit", 0, 1)


@dataclass(frozen=True)
class Flash:
    """2^bits - 1 comparators, each with a reference column."""

    flash_energy_level_J: float = real("J per comparator", 0, 1)
    flash_power_level_W: float = real("W per reference column", 0, 1)
    flash_time_s: float = real("s", 0, 1)
    flash_time_level_s: float = real("s per comparator", 0, 1)
    flash_area_level_m2: float = real("m2 per comparator", 0, 1)


@dataclass(frozen=True)
class Periphery:
    """Circuits around an array: row switches, multiplexer, shift-and-add, adder trees, level shifters.
    ``bounding_box``: an array takes the rectangle around blocks laid out as NeuroSim V1.4 does, not their sum."""

    row_switch_J: float = real("J per active row and column step", 0, 1)
    row_switch_fixed_J: float = real("J per row of a read", 0, 1)
    multiplexer_J: float = real("J per column of a read", 0, 1)
    shift_add_J: float = real("J per bit of a sum", 0, 1)
    sum_digit_bits: int = whole("bits a weight digit adds to a sum, 0: those of a cell", 0, 16)
    sum_guard_bits: int = whole("bits", 0, 64)
    adder_J: float = real("J per bit of a sum", 0, 1)
    row_switch_area_m2: float = real("m2 per row", 0, 1)
    multiplexer_area_m2: float = real("m2 per column", 0, 1)
    column_switch_area_m2: float = real("m2 per column", 0, 1)
    shift_add_area_m2: float = real("m2 per bit", 0, 1)
    adder_area_m2: float = real("m2 per array", 0, 1)
    level_shifter_area_m2: float = real("m2 per line", 0, 1)
    bounding_box: bool = flag()


@dataclass(frozen=True)
class Hierarchy:
    """Chip, tile, processing element (PE), array. Sizes are in arrays a side and powers of two at least the minimum.
    ``novel_mapping``: one PE a kernel position (Peng, ISCAS 2019); ``duplication``: weights are copied into
    the free arrays of a PE or tile; ``pipeline``: layers work on different images at once, and tiles are copied
    too, up to ``pipeline_copies``."""

    novel_mapping: bool = flag()
    pe_side_arrays: int = whole("arrays", 1, 1024)
    tile_side_arrays: int = whole("arrays", 1, 1024)
    duplication: bool = flag()
    pipeline: bool = flag()
    pipeline_copies: int = whole("copies", 1, 65536)


@dataclass(frozen=True)
class Interconnect:
    """Wires of chip, tile and PE. A bit that changes costs ``wire_J_per_m`` over a length: of its level's side times a
    factor. On the chip, a bus spans half the side; an H-tree is ``htree_length`` and ``htree_cycles`` times the bus."""

    interconnect: str = word("bus", "htree")
    wire_J_per_m: float = real("J/m", 0, 1)
    chip_length: float = real("of half the side of the chip", 0, 100)
    tile_length: float = real("of the side of a tile", 0, 100)
    pe_length: float = real("of the side of a PE", 0, 100)
    htree_length: float = real("of the bus's length", 0, 100)
    htree_cycles: float = real("of the bus's cycles", 0, 1000)
    bus_bits: int = whole("bits", 1, 1 << 20)
    bus_cycles: float = real("cycles per word and side of the grid of tiles", 0, 1e6)
    wire_area_m2: float = real("m2 per array", 0, 1)


@dataclass(frozen=True)
class Buffer:
    """Buffers at every level."""

    buffer_bit_J: float = real("J per bit written and read", 0, 1)
    buffer_values_per_cycle: float = real("values", 0, 1e6, positive=True)
    output_share: float = real("of an input's time", 0, 100)
    buffer_area_m2: float = real("m2 per array and activation bit", 0, 1)


@dataclass(frozen=True)
class Timing:
    """Clocks. ``synchronous``: everything runs at the sensing period, as NeuroSim does; else buffers, buses and adders
    at ``digital_period_s``, overlapping with sensing where ``overlap``."""

    synchronous: bool = flag()
    overlap: bool = flag()
    sensing_factor: float = real("", 0, 100, positive=True)
    sensing_fixed_s: float = real("s", 0, 1)
    digital_period_s: float = real("s", 0, 1, positive=True)
    accumulate_cycles: float = real("cycles per output and bit of a sum", 0, 1e6)


@dataclass(frozen=True)
class Leakage:
    """Power of one array with its periphery, and of what depends on bits."""

    leakage_array_W: float = real("W per array", 0, 1)
    leakage_adc_bit_W: float = real("W per converter and bit", 0, 1)
    leakage_shift_add_bit_W: float = real("W per bit", 0, 1)


@dataclass(frozen=True)
class Digital:
    """Digital work beside the arrays, each with a switch: what is off costs nothing (NeuroSim leaves it out)."""

    count_offset: bool = flag()
    count_elementwise: bool = flag()
    count_dram: bool = flag()
    elementwise_J: float = real("J per bit of a digital operation", 0, 1)
    elementwise_bits_per_s: float = real("bits/s", 0, 1e18, positive=True)
    multiplier_bits: int = whole("bits of a requantisation's factor", 1, 64)
    dram_J: float = real("J per bit", 0, 1)
    dram_bits_per_s: float = real("bits/s", 0, 1e18, positive=True)


SECTIONS: dict[str, type] = {
    "workload": Workload,
    "array": Array,
    "adc": Adc,
    "sar": Sar,
    "flash": Flash,
    "survey": Survey,
    "datasheet": Datasheet,
    "periphery": Periphery,
    "hierarchy": Hierarchy,
    "interconnect": Interconnect,
    "buffer": Buffer,
    "timing": Timing,
    "leakage": Leakage,
    "digital": Digital,
    "programming": Programming,
}
ENTRIES = entries_of(SECTIONS)
