"""SRAM targets as files: complete, sourced, refused in one line where they are unusable."""

from __future__ import annotations

import pytest

from backends.sram_acim.target import AcimTargetError, acim_names, converter, load_acim
from tests.close import close

PRESETS = ["acim-22nm", "acim-22nm-hybrid", "acim-28nm"]


def test_the_presets_are_found() -> None:
    assert acim_names() == PRESETS
    assert all(load_acim(name).name == name for name in PRESETS)


@pytest.mark.parametrize("name", ["acim-22nm", "acim-28nm"])
def test_255_rows_and_8_bits_have_a_code_for_every_sum(name: str) -> None:
    target = load_acim(name)
    sums = target.array.rows * ((1 << target.dac.dac_bits) - 1)
    assert ((1 << target.adc.adc_bits) - 1) % sums == 0
    assert target.array.rows + target.array.spare_rows == 256


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("columns_per_adc=512", "adc.columns_per_adc is 512, more than array.columns (256)"),
        ("columns=15", "array.columns must be from 16 to 65536, not 15"),
        ("voting=2", "voting.voting is 2: a majority needs an odd number of conversions"),
        ("voting_rule=mean", "'mean' is not one of mode, median"),
        ("adc_kind=flash", "'flash' is not one of capacitive, survey, datasheet"),
        ("noise_lsb=-1", "adc.noise_lsb must be from 0"),
        ("conductance=1", "write KEY=VALUE"),
    ],
)
def test_bad_overrides_are_refused_in_one_line(override: str, fragment: str) -> None:
    with pytest.raises(AcimTargetError) as caught:
        load_acim("acim-28nm", [override])
    assert fragment in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_names() -> None:
    with pytest.raises(AcimTargetError, match="unknown SRAM target 'acim': name a .toml file or one of acim-22nm, "):
        load_acim("acim")


def test_converters_by_their_formulas() -> None:
    capacitive = converter(load_acim("acim-28nm", ["adc_bits=6", "supply_V=0.8"]))
    assert capacitive.energy_J == close((6 * 100e-15 + 4**6 * 1e-18) * 0.64)
    assert (capacitive.time_s, capacitive.area_m2) == (close(6 * 2.305e-9), close(64 * 3.89e-12))
    survey = converter(load_acim("acim-28nm", ["adc_kind=survey"]))
    assert (survey.energy_J, survey.time_s) == (close(0.42e-12 + 256 * 1.7e-15), close(9e-9))
    sheet = converter(load_acim("acim-22nm", ["adc_bits=7"]))
    assert sheet.energy_J == close(1.98e-4 / 1.465e8 * (0.42 + 0.0017 * 128) / (0.42 + 0.0017 * 256))
