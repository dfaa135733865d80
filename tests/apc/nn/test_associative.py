"""Layers on the associative processor: exact without faults; with faults those of the true simulator, or whole runs of
it drawn by statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import apc.nn
from apc.fault_file import load_faults
from apc.nn.associative import RtmAp, SampledAp
from apc.nn.engines import Engine, build_engine
from backends.target import load_target
from ir.errors import UserError
from ir.graph import Graph
from ir.ops import Conv
from simulator.analog.unfold import Geometry
from simulator.rtm.faults.model import Faults, SearchFaults, ShiftFaults, StuckWires
from simulator.rtm.faults.plan import FaultPlan
from simulator.rtm.run import run_program
from tests.apc.nn.nets import ConvNet, random, seeded
from tests.graphs import add_input, add_output, program_of

FAULTS = Faults(shift=ShiftFaults(over=2e-4, under=2e-4), search=SearchFaults(false_match=1e-4))
GEOMETRIES = {
    "plain": (Geometry(), (6, 4, 3, 3)),
    "strided": (Geometry((2, 1), (1, 1, 1, 1)), (6, 4, 3, 3)),
    "uneven": (Geometry((1, 1), (0, 1, 1, 2)), (6, 4, 2, 3)),
    "dilated": (Geometry((1, 1), (2, 2, 2, 2), (2, 2)), (6, 4, 3, 3)),
    "grouped": (Geometry(groups=2), (6, 2, 3, 3)),
    "depthwise": (Geometry((1, 1), (1, 1, 1, 1), groups=4), (8, 1, 3, 3)),
}


def layer(shape: tuple[int, ...], bits: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1 - (1 << (bits - 1)), 1 << (bits - 1), shape)


def images(count: int, channels: int = 4, size: tuple[int, int] = (6, 5), low: int = 0, high: int = 15) -> torch.Tensor:
    drawn = np.random.default_rng(7).integers(low, high + 1, (count, channels, *size))
    return torch.from_numpy(drawn).float()


def engine(levels: np.ndarray, geometry: Geometry = GEOMETRIES["plain"][0], seed: Any = (3, 1), **how: Any) -> Engine:
    return build_engine(RtmAp(**how), levels, geometry, -8, 15, seed)


def convolved(x: torch.Tensor, levels: np.ndarray, geometry: Geometry) -> torch.Tensor:
    top, left, bottom, right = geometry.pads
    padded = functional.pad(x.double(), (left, right, top, bottom))
    weights = torch.from_numpy(levels).double()
    return functional.conv2d(padded, weights, None, geometry.strides, 0, geometry.dilations, geometry.groups)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_without_faults_sums_are_exact_computed_or_simulated(name: str) -> None:
    geometry, shape = GEOMETRIES[name]
    levels, x = layer(shape), images(3, low=-8)
    for method in ("statistics", "simulator"):
        found = engine(levels, geometry, method=method, level="O1")
        assert found.is_ideal
        found.calibrate(x)
        assert torch.equal(found(x, first_image=0).double(), convolved(x, levels, geometry))


@pytest.mark.parametrize("bits", [2, 4])
def test_a_layer_of_one_position_may_store_outputs_as_rows(bits: int) -> None:
    levels, x = layer((10, 64, 1, 1), bits), images(3, 64, (1, 1))
    found = engine(levels, method="simulator")(x, first_image=0)
    assert torch.equal(found, convolved(x, levels, Geometry()))


def test_the_simulator_runs_the_layers_own_program_with_the_seeds_faults() -> None:
    levels, x = layer((6, 4, 3, 3)), images(5)
    graph = Graph("own")
    add_input(graph, "x", (4, 6, 5), 5, True)
    graph.add("y", Conv(levels), ("x",))
    add_output(graph, "y")
    program = program_of(graph, load_target("rtm-ap-published"), "O1")
    seed = int(np.random.SeedSequence([2, 3, 1]).generate_state(1, np.uint64)[0])
    plan = FaultPlan(program, FAULTS, seed, 5, 0, 40)
    integers = {"x": x.numpy().astype(np.int64)}
    wanted = run_program(program, integers, engine="reference", faults=plan).tensors[program.outputs[0].tensor]
    simulated = build_engine(RtmAp(faults=FAULTS, method="simulator", level="O1"), levels, Geometry(), -16, 15, (3, 1))
    found = simulated(x, first_image=40)
    assert not simulated.is_ideal
    np.testing.assert_array_equal(found.numpy(), wanted)
    assert (wanted != convolved(x, levels, Geometry()).numpy()).any()


@pytest.mark.parametrize("method", ["statistics", "simulator"])
def test_results_depend_on_an_images_place_and_the_seed_not_on_batches(method: str) -> None:
    levels, x = layer((6, 4, 3, 3)), images(70)
    found = engine(levels, faults=FAULTS, method=method, samples=40)
    found.calibrate(x[:4])
    whole = found(x, first_image=5)
    for cut in (1, 33, 64):
        parts = [found(x[:cut], first_image=5), found(x[cut:], first_image=5 + cut)]
        assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(found(x, first_image=6), whole)
    for seed in ((4, 1), (3, 2), (3, 1, 0)):
        other = engine(levels, seed=seed, faults=FAULTS, method=method, samples=40)
        other.calibrate(x[:4])
        assert not torch.equal(other(x, first_image=5), whole)
    again = engine(levels, faults=FAULTS, method=method, samples=40)
    again.calibrate(x[:4])
    assert torch.equal(again(x, first_image=5), whole)
    assert found(x[:0], first_image=0).shape == (0, *whole.shape[1:])


def test_statistics_draw_whole_runs_of_the_simulator_each_as_often() -> None:
    levels, x = layer((6, 4, 3, 3)), images(600)
    some, samples = x[:3], 8
    simulated = engine(levels, faults=FAULTS, method="simulator")
    drawn = engine(levels, faults=FAULTS, samples=samples)
    drawn.calibrate(some)
    exact = convolved(x, levels, Geometry())
    differences = (drawn(x, first_image=0) - exact).flatten(1)
    kinds, counts = torch.unique(differences, dim=0, return_counts=True)
    assert (kinds != 0).any() and len(kinds) <= samples
    first = (simulated(some, first_image=0) - exact[:3]).flatten(1)  # trial 0 of the calibration images
    for run in first:
        assert (kinds == run).all(1).any()
    # each of the eight is drawn with probability 1/8: a run that occurs once, 600/8 times within five deviations
    share = counts.double() / 600
    multiple = (share * samples).round()
    assert int(multiple.sum()) == samples
    assert ((share - multiple / samples).abs() < 5 * np.sqrt(1 / samples / 600)).all()


def test_statistics_have_the_error_rate_of_the_simulator() -> None:
    levels, x = layer((6, 4, 3, 3)), images(256)
    simulated = engine(levels, faults=FAULTS, method="simulator")
    drawn = engine(levels, seed=(9,), faults=FAULTS, samples=512)
    drawn.calibrate(x[:32])
    exact = convolved(x, levels, Geometry())
    wrong = [(found(x, first_image=0) != exact).double().flatten(1).mean(1) for found in (simulated, drawn)]
    error = np.sqrt(sum(float(rate.var()) for rate in wrong) / 256 + float(wrong[1].var()) / 512)
    assert 0.01 < float(wrong[0].mean()) < 0.5
    assert abs(float(wrong[0].mean() - wrong[1].mean())) < 4 * error


def test_statistics_outlive_changes_of_the_weights() -> None:
    levels, x = layer((6, 4, 3, 3)), images(5)
    found = engine(levels, faults=FAULTS, samples=4)
    found.calibrate(x[:4])
    assert isinstance(found, SampledAp) and found.calibrates
    changed = levels.copy()
    changed[0, 0, 0, 0] += 1
    later = build_engine(found.settled, changed, Geometry(), -8, 15, (3, 1))
    differences = found(x, first_image=2) - convolved(x, levels, Geometry())
    assert differences.any()
    assert torch.equal(later(x, first_image=2), convolved(x, changed, Geometry()) + differences)


def test_sizes_that_were_not_calibrated_are_refused_and_others_kept() -> None:
    levels = layer((6, 4, 3, 3))
    found = engine(levels, faults=FAULTS, samples=2)
    with pytest.raises(UserError, match=r"inputs of 6 x 5 positions are not known \(known: none\): call apc.nn.calib"):
        found(images(1), first_image=0)
    found.calibrate(images(2))
    with pytest.raises(UserError, match=r"inputs of 4 x 4 positions are not known \(known: 6 x 5\)"):
        found(images(1, size=(4, 4)), first_image=0)
    found.calibrate(images(2, size=(4, 4)))
    assert found(images(1), first_image=0).shape == (1, 6, 4, 3)
    with pytest.raises(UserError, match="holds no image to observe faults on"):
        found.calibrate(images(0))


def test_faults_come_by_name_file_or_record_and_what_does_not_fit_is_refused(tmp_path: Any) -> None:
    assert RtmAp(faults="position-4.6e-5").kinds == load_faults("position-4.6e-5").faults
    assert RtmAp(faults=load_faults("pinning")).kinds == load_faults("pinning").faults
    assert RtmAp(faults="none").is_faultless and RtmAp().is_faultless
    assert not RtmAp(faults=Faults(stuck=StuckWires(one=1e-9))).is_faultless
    assert RtmAp(overrides=("rows=512",)).cost_target.array.rows == 512
    for how, message in (
        ({"target": "rtm-ap-unknown"}, "unknown target 'rtm-ap-unknown'"),
        ({"faults": "nothing-known"}, "unknown faults 'nothing-known'"),
        ({"level": "O9"}, "level = 'O9': must be one of O0, O1, O2, O3"),
        ({"method": "guess"}, "method = 'guess': must be one of statistics, simulator"),
        ({"samples": 0}, "samples = 0: must be a whole number from 1"),
    ):
        with pytest.raises(UserError, match=message):
            RtmAp(**how)
    file = tmp_path / "code.toml"
    file.write_text("[mitigation]\ncorrect = 200\n")
    with pytest.raises(UserError, match="mitigation.correct is 200"):
        RtmAp(faults=file)


def test_a_layer_that_does_not_fit_names_the_target() -> None:
    tiny = ("rows=64", "columns=16", "domains=2")
    with pytest.raises(UserError, match="target rtm-ap-published with .*: the layer does not fit its arrays"):
        engine(layer((40, 4, 3, 3)), method="simulator", overrides=tiny)(images(1), first_image=0)


@pytest.mark.parametrize("method", ["statistics", "simulator"])
def test_models_convert_run_and_train_on_faulty_processors(method: str) -> None:
    net, x = seeded(ConvNet), random(8, 1, 8, 8)
    options = {"quantisation": apc.nn.Quantisation(weights="ternary", activation_bits=4), "example": x}
    software = apc.nn.convert(net, apc.nn.Software(), **options)
    hardware = RtmAp(level="O1", faults=FAULTS, method=method, samples=8)
    model = apc.nn.convert(net, hardware, **options)
    with torch.no_grad():
        wanted, whole = software(x), model(x)
        assert not torch.equal(whole, wanted)
        apc.nn.restart(model)
        assert torch.equal(torch.cat([model(x[:3]), model(x[3:])]), whole)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        loss = model(x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.isfinite(loss)
    with pytest.raises(apc.nn.ConversionError, match="layer stem: target .*: the layer does not fit its arrays"):
        tiny = RtmAp(overrides=("rows=64", "columns=16", "domains=2"), method="simulator")
        apc.nn.convert(net, tiny, example=x)(x)
