"""Published macros, from their own sizes: what the model says of them against what they measured.

TOPS/W of macros are of full activity, so densities are 1 here. Energies are those of array, DACs, converters and
digital cycles: a macro leaves shift-and-add, buffers and wires to others.
"""

from __future__ import annotations

import pytest

from backends.sram_acim.cost import acim_cost
from backends.sram_acim.target import converter, load_acim
from backends.workload import conv_work
from tests.close import close

MACRO_PARTS = ("array", "dac", "adc", "digital")


def tops_per_W(preset: str, rows: int, outputs: int, weight_bits: int, activation_bits: int, *settings: str) -> float:
    """1e12 operations of whole operands a joule, of one product with a matrix that fills the array."""
    sizes = (f"rows={rows}", f"columns={outputs * weight_bits}", "columns_per_adc=1")
    bits = (f"weight_bits={weight_bits}", f"activation_bits={activation_bits}")
    full = ("input_bit_density=1", "weight_bit_density=1")
    target = load_acim(preset, [*sizes, *bits, *full, *settings])
    energy = acim_cost([conv_work("fc", (1, 1), rows, outputs)], target).energy_J()
    return 2 * rows * outputs / sum(energy[part] for part in MACRO_PARTS) / 1e12


def test_the_digital_macro_of_chih() -> None:
    """ISSCC 2021, 22 nm: 89 TOPS/W with 4-bit operands, 256 inputs, 64 outputs."""
    assert tops_per_W("acim-22nm", 256, 64, 4, 4, "hybrid_level=31") == close(89, rel=1e-3)


def test_the_digital_macro_of_the_28_nm_preset() -> None:
    """ISSCC 2023 7.2, 28 nm: 19.5 TOPS/W with 8-bit operands, 128 inputs, 8 outputs."""
    assert tops_per_W("acim-28nm", 128, 8, 8, 8, "hybrid_level=31") == close(19.5, rel=1e-3)


def test_lee_28_nm_is_predicted() -> None:
    """VLSI 2021: 5796 TOPS/W of one bit, 1152 x 256, activations of 5 bits at once, weights of 1 bit, 8-bit converters.
    Nothing of its energy is in the preset."""
    assert 5 * tops_per_W("acim-28nm", 1152, 256, 1, 5, "dac_bits=5", "adc_bits=8") == close(5796, rel=0.15)


def test_jia_16_nm_is_predicted() -> None:
    """ISSCC 2021: 1936 TOPS/W of one bit, 1152 x 256, bit-serial, 8-bit converters, 0.8 V; a smaller node, so that this
    is luck in part."""
    assert tops_per_W("acim-28nm", 1152, 256, 1, 1, "adc_bits=8", "supply_V=0.8") == close(1936, rel=0.15)


@pytest.mark.parametrize(("share", "units", "bits"), [(0.34, 16, 0), (0.22, 64, 8)])
def test_parts_of_wang_22_nm(share: float, units: int, bits: int) -> None:
    """VLSI 2022: 32.2 TOPS/W with 8-bit operands, 64 inputs, 16 outputs; 34 % in 16 converters, 22 % in 64 DACs."""
    target = load_acim("acim-22nm")
    cycle_J = 2 * 64 * 16 / 32.2e12
    each = bits * target.dac.dac_bit_J if bits else converter(target).energy_J
    assert units * each == close(share * cycle_J, rel=3e-3)


def test_areas_of_wang_22_nm() -> None:
    """0.124 mm2: 13 % converters, 30 % DACs, 46 % cells with what is around them."""
    target = load_acim("acim-22nm")
    assert 16 * converter(target).area_m2 == close(0.13 * 0.124e-6, rel=3e-3)
    assert 64 * 8 * target.dac.dac_area_m2 == close(0.30 * 0.124e-6, rel=3e-3)
    assert 512 * 128 * target.array.cell_area_m2 == close(0.46 * 0.124e-6, rel=3e-3)
