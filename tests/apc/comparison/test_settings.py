from __future__ import annotations

import pytest

from apc.comparison.settings import require_different, split_overrides, with_figure
from backends.crossbar.target import CrossbarTargetError, load_crossbar
from backends.target import TargetError, load_target
from ir.errors import UserError


def test_each_override_goes_to_its_backend() -> None:
    texts = [
        "xbar.adc_bits=6",
        "xbar.v2.adc_bits=5",
        "folder/my.toml.rows=64",
        "my.columns=2",
        "ap.energy.write_bit_J=1",
    ]
    assert split_overrides(texts, ["ap", "xbar", "xbar.v2", "folder/my.toml"]) == {
        "ap": ["energy.write_bit_J=1"],
        "xbar": ["adc_bits=6"],
        "xbar.v2": ["adc_bits=5"],
        "folder/my.toml": ["rows=64", "columns=2"],
    }


@pytest.mark.parametrize("text", ["adc_bits=6", "xba.adc_bits=6", "xbaradc_bits=6", ""])
def test_an_override_names_a_backend(text: str) -> None:
    with pytest.raises(UserError, match=r"write NAME.KEY=VALUE, where NAME is a backend of this comparison: ap, xbar"):
        split_overrides([text], ["ap", "xbar"])


def test_one_figure_of_a_target_of_either_kind() -> None:
    target, crossbar = load_target("rtm-ap-published"), load_crossbar("crossbar-neurosim")
    assert with_figure(target, "energy.write_bit_J", 2e-15).energy.write_bit_J == 2e-15
    with pytest.raises(TargetError, match="rtm-ap-published, energy.write_bit_J = 2: .* must be from 0 to 1"):
        with_figure(target, "energy.write_bit_J", 2.0)
    assert with_figure(crossbar, "adc.adc_bits", 9).adc.adc_bits == 9
    with pytest.raises(CrossbarTargetError, match="adc_bits must be from 1 to 16"):
        with_figure(crossbar, "adc.adc_bits", 17)


def test_a_backend_is_named_once() -> None:
    require_different(["a", "b"], "--against")
    with pytest.raises(UserError, match="--against a: is named twice"):
        require_different(["a", "b", "a"], "--against")
