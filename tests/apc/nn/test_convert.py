"""What ``convert`` replaces, by which hardware, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import apc.nn
from apc.nn import ConversionError, Quantisation, Software
from apc.nn.calibration import simulated_layers
from apc.nn.simulated import SimulatedLayer
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig
from tests.apc.nn.nets import ConvNet, Transformer, random, seeded

SRAM, CELLS = AcimConfig(weight_bits=4, activation_bits=6), CrossbarConfig(cell_bits=3, dac_bits=5)


def hardware_of(model: nn.Module) -> dict[str, object]:
    return {layer.name: layer.hardware for layer in simulated_layers(model)}


def test_the_model_given_is_untouched() -> None:
    net, x = seeded(ConvNet), random(3, 1, 8, 8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = net(x)
    model = apc.nn.convert(net, SRAM, calibration=[x])
    model.train()
    model(x).sum().backward()
    assert not any(isinstance(module, SimulatedLayer) for module in net.modules())
    assert not net.training and not net._forward_pre_hooks
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(net(x), expected)


def test_one_hardware_is_for_all_layers() -> None:
    model = apc.nn.convert(seeded(ConvNet), SRAM)
    assert hardware_of(model) == {"stem": SRAM, "body.0": SRAM, "head": SRAM}


def test_the_first_pattern_that_matches_decides() -> None:
    model = apc.nn.convert(seeded(ConvNet), {"st*": CELLS, "head": None, "*": SRAM, "body*": CELLS})
    assert hardware_of(model) == {"stem": CELLS, "body.0": SRAM}
    assert hardware_of(apc.nn.convert(seeded(ConvNet), {"b*.0": CELLS})) == {"body.0": CELLS}


def test_a_function_decides_by_name_and_module() -> None:
    def choose(name: str, module: nn.Module) -> AcimConfig | None:
        return SRAM if isinstance(module, nn.Conv2d) and name != "stem" else None

    assert hardware_of(apc.nn.convert(seeded(ConvNet), choose)) == {"body.0": SRAM}


@pytest.mark.parametrize(
    "exclude, left",
    [
        ("head", {"stem", "body.0"}),
        (["b*y", "stem"], {"head"}),
        (nn.Conv2d, {"head"}),
        ((nn.Sequential, "h*"), {"stem"}),
    ],
)
def test_what_is_excluded_stays_with_all_that_is_in_it(exclude: Any, left: set[str]) -> None:
    net, x = seeded(ConvNet), random(3, 1, 8, 8)
    model = apc.nn.convert(net, Software(), exclude=exclude, calibration=[x])
    assert set(hardware_of(model)) == left


def test_bits_are_those_that_the_hardware_states() -> None:
    quantisations = {
        SRAM: Quantisation(weight_bits=4, activation_bits=6),
        CELLS: Quantisation(weight_bits=4, activation_bits=5),
        CrossbarConfig(): Quantisation(),
        CrossbarConfig(weight_bits=6, slices=3, mapping="offset"): Quantisation(weight_bits=6),
        CrossbarConfig(binary_mapping="two_columns", dac_bits=4): Quantisation(weights="binary", activation_bits=4),
        Software(): Quantisation(),
    }
    for hardware, expected in quantisations.items():
        (layer,) = simulated_layers(apc.nn.convert(nn.Linear(3, 2), hardware))
        assert layer.quantisation == expected


def test_quantisation_is_chosen_as_hardware_is() -> None:
    ternary = Quantisation(weights="ternary")
    model = apc.nn.convert(seeded(ConvNet), SRAM, quantisation={"body*": ternary})
    found = {layer.name: layer.quantisation for layer in simulated_layers(model)}
    stated = Quantisation(weight_bits=4, activation_bits=6)
    assert found == {"stem": stated, "body.0": ternary, "head": stated}


def test_modules_that_are_shared_stay_shared() -> None:
    layer = nn.Linear(4, 4)
    net = nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(4, 4))
    net[3].weight = layer.weight
    model = apc.nn.convert(net, Software(), calibration=[random(5, 4)])
    assert model[0] is model[2] and isinstance(model[0], SimulatedLayer)
    assert model[3].weight is model[0].weight and model[3] is not model[0]
    assert len(simulated_layers(model)) == 2


def test_errors_and_noise_depend_on_a_layers_place_only() -> None:
    noisy, x = AcimConfig(noise_lsb=1.0, offset_lsb=1.0), random(3, 1, 8, 8)
    net = seeded(ConvNet)
    seeds = {layer.name: layer.seed for layer in simulated_layers(apc.nn.convert(net, noisy, seed=7))}
    assert seeds == {"stem": (7, 0), "body.0": (7, 1), "head": (7, 2)}
    without = apc.nn.convert(net, noisy, seed=7, exclude="stem")
    assert {layer.name: layer.seed for layer in simulated_layers(without)} == {"body.0": (7, 1), "head": (7, 2)}
    with torch.no_grad():
        results = [apc.nn.convert(net, noisy, calibration=[x], seed=seed)(x) for seed in (0, 0, 1)]
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_an_attention_takes_four_places() -> None:
    seeds = {layer.name: layer.seed[1] for layer in simulated_layers(apc.nn.convert(seeded(Transformer), Software()))}
    assert sorted(seeds.values()) == list(range(len(seeds)))
    without = apc.nn.convert(seeded(Transformer), Software(), exclude=nn.MultiheadAttention)
    assert {layer.name: layer.seed[1] for layer in simulated_layers(without)}.items() <= seeds.items()


def test_an_example_calibrates_where_there_are_no_data() -> None:
    net, x, y = seeded(ConvNet), random(3, 1, 8, 8), 5 * random(3, 1, 8, 8)
    with torch.no_grad():
        expected = apc.nn.convert(net, Software(), calibration=[x])(x)
        assert torch.equal(apc.nn.convert(net, Software(), example=x)(x), expected)
        assert torch.equal(apc.nn.convert(net, Software(), example=y, calibration=[x])(x), expected)


class OwnForward(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + 1


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.Conv3d(1, 1, 3), "layer 0: Conv3d cannot be simulated: exclude it"),
        (lambda: nn.ConvTranspose2d(1, 1, 3), "layer 0: ConvTranspose2d cannot be simulated: exclude it"),
        (lambda: nn.LSTM(2, 2), "layer 0: LSTM cannot be simulated: exclude it"),
        (lambda: OwnForward(2, 2), "layer 0: OwnForward has a forward of its own, which cannot be simulated"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "layer 0: its weight is parametrised"),
        (lambda: nn.LazyLinear(2), "layer 0: its weight has no shape yet: run the model once, then convert"),
    ],
)
def test_what_would_silently_stay_in_floats_is_refused(make: Any, message: str) -> None:
    net = nn.Sequential(make(), nn.Linear(3, 2))
    with pytest.raises(ConversionError, match=f"^{message}"):
        apc.nn.convert(net, Software())
    assert set(hardware_of(apc.nn.convert(net, Software(), exclude="0"))) == {"1"}
    assert set(hardware_of(apc.nn.convert(net, {"1": Software()}))) == {"1"}


def test_a_subclass_that_computes_the_same_is_simulated() -> None:
    class Named(nn.Linear):
        pass

    assert set(hardware_of(apc.nn.convert(nn.Sequential(Named(2, 2)), Software()))) == {"0"}


def test_a_model_is_converted_once() -> None:
    with pytest.raises(ConversionError, match="^ConvNet: is converted already, convert the original"):
        apc.nn.convert(apc.nn.convert(seeded(ConvNet), Software()), Software())


def test_a_model_without_a_layer_on_hardware_is_an_error() -> None:
    with pytest.raises(ConversionError, match="^ConvNet: no layer gets hardware, check the patterns and exclusions"):
        apc.nn.convert(seeded(ConvNet), Software(), exclude="*")


@pytest.mark.parametrize("hardware", [8, AcimConfig, Quantisation()])
def test_what_is_no_hardware_is_an_error(hardware: Any) -> None:
    for chosen in (hardware, {"*": hardware}):
        with pytest.raises(ConversionError, match="^layer stem: hardware = .*: must be a configuration or the name of"):
            apc.nn.convert(seeded(ConvNet), chosen)


def test_a_model_that_cannot_be_copied_is_one_line() -> None:
    layer = nn.Linear(3, 2)
    prune.random_unstructured(layer, "weight", 0.5)
    with pytest.raises(ConversionError, match="^Sequential: cannot be copied .*prune.remove") as caught:
        apc.nn.convert(nn.Sequential(layer), Software())
    assert "\n" not in str(caught.value)


def test_a_model_that_is_a_layer_is_named_by_its_kind() -> None:
    with pytest.raises(ConversionError, match="^layer Linear: inputs have no range yet"):
        apc.nn.convert(nn.Linear(3, 2), Software())(torch.ones(1, 3))
    with pytest.raises(ConversionError, match="^layer Linear: calibration data give it inputs that are not finite"):
        apc.nn.convert(nn.Linear(3, 2), Software(), calibration=torch.full((1, 3), torch.nan))


def test_what_is_no_quantisation_is_an_error() -> None:
    with pytest.raises(ConversionError, match="^layer stem: quantisation = 'ternary': must be an apc.nn.Quantisation"):
        apc.nn.convert(seeded(ConvNet), Software(), quantisation="ternary")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ["haed"]}, r"exclude 'haed': no layer has such a name, they are named like body, body\.0"),
        ({"exclude": [3]}, "exclude 3: must be a pattern of names or a class of modules"),
        ({"hardware": {"stm*": Software(), "*": Software()}}, r"hardware {'stm\*': ...}: no layer has such a name"),
        ({"hardware": {"body": Software()}}, r"hardware {'body': ...}: no layer has such a name, write 'body\.\*'"),
        ({"hardware": {nn.Conv2d: Software()}}, "must be a pattern of names; choose by class with a function"),
        ({"quantisation": {"weight_bits": 4}}, r"quantisation {'weight_bits': ...}: no layer has such a name"),
    ],
)
def test_patterns_that_match_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        apc.nn.convert(seeded(ConvNet), **{"hardware": Software(), **options})
