import pytest

from backends.converter import survey_energy_J
from backends.crossbar.converter import converter
from backends.crossbar.cost import crossbar_cost
from backends.crossbar.silicon import array_area, converters_per_array, shift_add_bits
from backends.crossbar.target import load_crossbar
from backends.workload import conv_work
from tests.close import close


@pytest.mark.parametrize(("bits", "joules"), [(4, 0.033), (5, 0.042), (6, 0.053), (7, 0.065), (8, 0.078)])
def test_sar_logic_of_the_facts(bits: int, joules: float) -> None:
    # crossbar_cost.md, defect 7: "conversion logic 0.033/0.042/0.053/0.065/0.078 pJ for 4..8 bit at 22 nm"
    assert converter(load_crossbar("crossbar-neurosim", [f"adc_bits={bits}"])).energy_J == close(
        joules * 1e-12, abs=0.6e-15
    )


@pytest.mark.parametrize(("bits", "joules"), [(4, 0.46), (5, 0.46), (6, 0.53), (7, 0.65), (8, 0.85)])
def test_survey_energies_of_the_facts(bits: int, joules: float) -> None:
    # crossbar_cost.md, defect 7: "0.46/0.46/0.53/0.65/0.85 pJ (Accelergy ADC plug-in fit, 1/(B+1) GS/s)"
    adc = converter(load_crossbar("crossbar-rram-22nm", [f"adc_bits={bits}"]))
    assert adc.energy_J == close(joules * 1e-12, rel=0.04)
    assert adc.time_s == close((bits + 1) * 1e-9)


def test_converters_by_their_published_figures() -> None:
    isaac = converter(load_crossbar("crossbar-isaac"))
    assert isaac.energy_J == close(1.56e-12, rel=2e-3)  # "8-bit: 2 mW/1.28 GS/s = 1.56 pJ"
    survey = converter(load_crossbar("crossbar-isaac", ["adc_kind=survey"]))
    assert survey.energy_J == close(1.71e-12, rel=0.01)  # "(survey fit: 1.71)" at 32 nm
    narrow = converter(load_crossbar("crossbar-isaac", ["adc_bits=6"]))
    target = load_crossbar("crossbar-isaac")
    assert narrow.energy_J / isaac.energy_J == close(
        survey_energy_J(target.survey, 6) / survey_energy_J(target.survey, 8)
    )
    assert narrow.area_m2 / isaac.area_m2 == close(narrow.energy_J / isaac.energy_J) and isaac.area_m2 == 1.2e-9
    assert converter(load_crossbar("crossbar-neurosim")).area_m2 == close(143e-12, rel=1e-3)
    survey = converter(load_crossbar("crossbar-rram-22nm", ["adc_bits=6"]))
    assert survey.area_m2 == close(2030e-12, rel=0.01)


@pytest.mark.parametrize(("bits", "period"), [(4, 1.5e-9), (8, 5.3e-9)])
def test_flash_periods_of_the_facts(bits: int, period: float) -> None:
    # crossbar_cost.md, defect 8: "clock 1.5 -> 5.3 ns from 4 to 8 bits"
    flash = converter(load_crossbar("crossbar-neurosim", ["adc_kind=flash", f"adc_bits={bits}"]))
    assert 1.4 * flash.time_s + 0.124e-9 == close(period, rel=0.01)
    assert flash.idle_J == flash.energy_J


def test_an_array_of_the_reference_run() -> None:
    # crossbar_cost.md 2, area in um2: "bounding box 44967, used 8187: SAR 2287, 3 level shifters 3844, shift-add 980,
    # cells 381, row switch 301, mux 214, SL switch 179"
    target = load_crossbar("crossbar-neurosim")
    bits = shift_add_bits(target, 4, 8, 8)
    one = array_area(target, bits)
    assert converters_per_array(target) == 16
    assert one.cells == close(381e-12, rel=0.01)
    assert one.adc == close(2287e-12, rel=0.01)
    assert one.shift_add == close(980e-12, rel=0.01)
    assert one.periphery == close((3844 + 301 + 214 + 179) * 1e-12, rel=0.01)
    assert one.total - one.empty == close(8187e-12, rel=0.01)
    assert one.total == close(44967e-12, rel=0.02)
    assert array_area(load_crossbar("crossbar-neurosim", ["bounding_box=false"]), bits).empty == 0


def test_single_digits_and_planes_need_no_adders() -> None:
    target = load_crossbar("crossbar-neurosim")
    assert shift_add_bits(target, 1, 1, 1) == 0
    assert shift_add_bits(target, 1, 1, 4) == 16 * (6 + 4)


def test_isaac_of_cimloop() -> None:
    # crossbar_cost.md 5a: 16-bit operands, full utilisation: cells 0.83 pJ a MAC, shift-add 0.26 and output buffer 0.34
    work = conv_work("m", (1, 1), 128, 16, weight_bits=16, activation_bits=16)
    full = ["input_bit_density=0.5", "mean_cell_conductance_S=4.46e-6"]
    report = crossbar_cost([work], load_crossbar("crossbar-isaac", full))
    macs = 128 * 16
    assert report.layers[0].counters["conversions"] == macs
    assert report.energy_J()["array"] / macs == close(0.83e-12, rel=0.02)
    assert report.energy_J()["shift_add"] / macs == close(0.60e-12, rel=0.01)
