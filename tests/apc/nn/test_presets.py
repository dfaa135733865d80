"""Hardware by name: kinds, files, overrides, and the arrays that a layer gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import apc.nn
from apc.nn.associative import RtmAp
from apc.nn.engines import stated_quantisation
from apc.nn.presets import Preset, resolve
from apc.target_files import TARGETS, names_of
from backends.crossbar.target import CrossbarTarget, load_crossbar
from backends.sram_acim.target import AcimTarget, load_acim
from backends.target import preset_names
from ir.errors import UserError
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import ConvNet, random, seeded

LEVELS = np.random.default_rng(0).integers(-127, 128, (6, 4, 3, 3))


def test_every_preset_resolves_to_its_kind() -> None:
    assert {"rtm-ap-published", "crossbar-rram-22nm", "acim-22nm", "acim-28nm"} <= set(names_of(TARGETS))
    for name in names_of(TARGETS):
        hardware = resolve(name)
        if name in preset_names():
            assert hardware == RtmAp(target=name)
            continue
        assert isinstance(hardware, Preset)
        kind = CrossbarConfig if isinstance(hardware.target, CrossbarTarget) else AcimConfig
        stated = stated_quantisation(hardware)
        levels = np.ones((2, 2), int) if stated.weights == "binary" else LEVELS
        assert isinstance(hardware.config(levels, 0, 255), kind)
        assert hardware.target.name == name and repr(hardware) == f"Preset({name})"


def test_a_layers_arrays_have_the_targets_figures_and_the_layers_bits() -> None:
    changes = ["rows=63", "adc_bits=6", "dac_bits=2", "noise_lsb=0.25", "hybrid_level=2", "voting=3", "voting_level=4"]
    hardware = resolve("acim-28nm", [*changes, "voting_rule=median"])
    assert isinstance(hardware, Preset)
    errors = {"noise_lsb": 0.25, "hybrid_level": 2, "voting": 3, "voting_level": 4, "voting_rule": "median"}
    shared = {"rows": 63, "adc_bits": 6, "dac_bits": 2, **errors}
    assert hardware.config(LEVELS, -127, 127) == AcimConfig(weight_bits=8, activation_bits=8, **shared)
    assert hardware.config(np.sign(LEVELS), 0, 15) == AcimConfig(weight_bits=2, activation_bits=4, **shared)
    fixed = resolve("acim-28nm", ["weight_bits=4", "activation_bits=6"])
    assert isinstance(fixed, Preset)
    config = fixed.config(np.sign(LEVELS), 0, 15)
    assert isinstance(config, AcimConfig) and (config.weight_bits, config.activation_bits) == (4, 6)
    assert stated_quantisation(fixed) == apc.nn.Quantisation(weight_bits=4, activation_bits=6)
    assert stated_quantisation(resolve("acim-28nm")) == apc.nn.Quantisation()
    assert stated_quantisation(resolve("acim-28nm", ["weight_bits=1"])).weights == "binary"


def test_crossbars_know_whether_inputs_are_signed() -> None:
    hardware = resolve("crossbar-rram-22nm", ["mapping=offset"])
    assert isinstance(hardware, Preset)
    signed, unsigned = (hardware.config(LEVELS, low, 127) for low in (-127, 0))
    assert isinstance(signed, CrossbarConfig) and isinstance(unsigned, CrossbarConfig)
    assert signed.adc_sign_magnitude and not unsigned.adc_sign_magnitude


def test_files_are_of_the_kind_that_they_extend_or_whose_sections_they_have(tmp_path: Path) -> None:
    for base, kind in (("acim-22nm", AcimTarget), ("crossbar-rram-22nm", CrossbarTarget)):
        file = tmp_path / f"my-{base}.toml"
        entry = 'value = 6\nsource = "ours"\nyear = 2026\nassumed = true\n'
        file.write_text(f'name = "mine"\nextends = "{base}"\n[adc.adc_bits]\n{entry}')
        found = resolve(file)
        assert isinstance(found, Preset) and isinstance(found.target, kind)
        assert found.target.adc.adc_bits == 6 and found.target.name == "mine"
    for kind, name in zip(TARGETS, ("rtm-ap-projected", "crossbar-neurosim", "acim-28nm"), strict=True):
        copy = tmp_path / f"copy-{name}.toml"
        copy.write_text((kind.family.folder / f"{name}.toml").read_text())
        found = resolve(str(copy))
        assert isinstance(found.cost_target if isinstance(found, RtmAp) else found.target, kind)


def test_what_cannot_be_resolved_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    for name, message in (
        ("acim-1nm", "unknown target 'acim-1nm': name a .toml file or one of rtm-ap-projected, "),
        (tmp_path / "none.toml", "none.toml: cannot read the target file"),
        (broken, "broken.toml: "),
    ):
        with pytest.raises(UserError, match=message) as caught:
            resolve(name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="adc_bits"):
        resolve("acim-22nm", ["adc_bits=99"])


def test_models_convert_by_name_and_lossless_arrays_compute_what_software_does() -> None:
    net, x = seeded(ConvNet), random(6, 1, 8, 8)
    software = apc.nn.convert(net, apc.nn.Software(), example=x)
    wanted = software(x)
    for name in ("acim-22nm", "rtm-ap-published"):
        converted = apc.nn.convert(net, name, example=x)
        assert torch.equal(converted(x), wanted)
    mixed = apc.nn.convert(net, {"stem": "acim-28nm", "*": resolve("acim-22nm", ["adc_bits=5"])}, example=x)
    assert mixed.get_submodule("stem").hardware.target == load_acim("acim-28nm")
    assert mixed.get_submodule("stem").is_ideal and not mixed.get_submodule("head").is_ideal
    assert not torch.equal(mixed(x), wanted)
    crossbar = apc.nn.convert(net, "crossbar-rram-22nm", example=x)
    assert crossbar.get_submodule("head").hardware.target == load_crossbar("crossbar-rram-22nm")
    assert torch.allclose(crossbar(x), wanted, atol=0.1)
