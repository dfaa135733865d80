"""From a model to a result, in Python: options, checks, what is left to a host."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

import apc
from apc.checks import run_onnxruntime
from apc.driver import Compilation, CompileOptions, compile_model, run_model
from apc.passes import choose_passes
from ir.errors import UserError
from ir.isa import Op
from tests.apc.frontend.models import Model
from tests.apc.small import images, small_model


@pytest.fixture(scope="module")
def compilation() -> Compilation:
    return compile_model(small_model())


def test_outputs_are_those_of_onnxruntime_and_of_the_interpreter(compilation: Compilation) -> None:
    program, inputs = compilation.program, {"x": images(3)}
    checks: list[tuple[Literal["reference", "onnxruntime"], int]] = [("reference", 1), ("onnxruntime", 3 * 3)]
    for against, elements in checks:
        result = run_model(program, inputs, check=against)
        assert result.check is not None and result.check.against == against
        assert result.check.mismatches == 0 and result.check.elements >= elements
    name = program.outputs[0].name
    expected = run_onnxruntime(small_model(), inputs, [name])[name]
    assert result.outputs[name].dtype == np.float32 and result.images == 3
    np.testing.assert_array_equal(result.outputs[name], expected)


def test_engines_and_threads_make_no_difference(compilation: Compilation) -> None:
    inputs = {"x": images(2)}
    results = [
        run_model(compilation.program, inputs, threads=1),
        run_model(compilation.program, inputs, threads=3),
        run_model(compilation.program, inputs, engine="reference"),
    ]
    for result in results[1:]:
        assert result.simulation.layers == results[0].simulation.layers
        assert result.cost.energy_J() == results[0].cost.energy_J()
        for name, values in results[0].outputs.items():
            np.testing.assert_array_equal(result.outputs[name], values)


def test_the_reference_check_finds_a_changed_instruction() -> None:
    program = compile_model(small_model()).program
    records = program.layers[-1].tiles[0].instructions
    first = int(np.flatnonzero(records["op"] == Op.ADD)[0])
    records["op"][first] = Op.SUB
    checks: list[Literal["reference", "onnxruntime"]] = ["reference", "onnxruntime"]
    for against in checks:
        result = run_model(program, {"x": images(2)}, check=against)
        assert result.check is not None and result.check.mismatches > 0 and result.check.max_abs_difference >= 1


def test_steps_left_to_the_host_are_listed_with_their_bytes(compilation: Compilation) -> None:
    steps = [(step["operator"], step["bytes_per_image"]) for step in compilation.program.host_steps]
    assert steps == [("quantise input", 2 * 36 * 4), ("dequantise output", 3 * 4)]


def test_passes_are_recorded(compilation: Compilation) -> None:
    assert compilation.program.passes == choose_passes("O2").texts
    assert [s.name for s in compilation.passes] == ["dead-code", "merge-duplicates"]
    assert compile_model(small_model(), CompileOptions(passes="")).program.passes == []
    options = CompileOptions(level="O1", pass_options=["cse.channels=2", "placement.fields=across"])
    recorded = compile_model(small_model(), options).program.passes
    assert recorded == ["dead-code", "merge-duplicates", "cse{channels=2}", "placement{fields=across}"]
    assert compile_model(small_model(), CompileOptions(passes=",".join(recorded))).program.passes == recorded


def test_progress_of_compiling_and_of_running_reaches_its_end(compilation: Compilation) -> None:
    calls: list[tuple[int, int, str]] = []
    compile_model(small_model(), progress=lambda *call: calls.append(call))
    counted = [call for call in calls if call[1]]
    assert [label for _, total, label in calls if not total] == [
        "reading the model",
        "transforming the graph",
        "compiling the first layers",
    ]
    assert [done for done, _, _ in counted] == [1 + number for number in range(len(compilation.program.layers))]
    calls.clear()
    run_model(compilation.program, {"x": images(1)}, progress=lambda *call: calls.append(call))
    assert calls[0] == (0, 0, "preparing the program")
    assert calls[-1][0] == calls[-1][1] == len(compilation.program.layers)
    run_model(compilation.program, {"x": images(1)}, check="reference", progress=lambda *call: calls.append(call))
    assert calls[-1] == (0, 0, "checking with the reference")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "O4"}, "level -O4 does not exist: choose from -O0, -O1, -O2, -O3"),
        ({"passes": "dead-code,nothing"}, "there is no pass 'nothing'"),
        ({"pass_options": ["cse.channels=many"]}, "cse.channels must be an integer from 0 to 1024, not 'many'"),
        ({"target": "no-such-target"}, "no-such-target"),
        ({"overrides": ["columns=-4"]}, "columns"),
        ({"level": "O0", "overrides": ["array.domains=4"]}, "does not fit a nanowire of 4 domains"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compile_model(small_model(), CompileOptions(**options))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"z": images(1)}, "the inputs are named z, but the network's are x: rename"),
        ({}, r"named \(none\)"),
        ({"x": images(1)[:, :1]}, "input x: has shape"),
        ({"x": images(1).astype(np.float64)}, "input x: has dtype float64, expected float32"),
        ({"x": images(1) * np.nan}, "input x: has NaN"),
        ({"x": images(0)}, "holds no image"),
    ],
)
def test_inputs_that_are_refused(compilation: Compilation, inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run_model(compilation.program, inputs)


def test_no_threads_are_refused(compilation: Compilation) -> None:
    with pytest.raises(UserError, match="--threads 0"):
        run_model(compilation.program, {"x": images(1)}, threads=0)


def test_a_program_without_its_model_cannot_be_checked() -> None:
    program = compile_model(small_model()).program
    program.model = b""
    with pytest.raises(UserError, match="does not contain the model .* compile it again"):
        run_model(program, {"x": images(1)}, check="reference")


def test_a_check_that_finds_nothing_to_compare_with_is_refused() -> None:
    program = compile_model(small_model()).program
    program.tensors[-1].name = "renamed"
    with pytest.raises(UserError, match=r"has no tensor renamed of shape \(1, 1, 3, 1\) to compare with: compile it"):
        run_model(program, {"x": images(1)}, check="reference")


def test_a_model_that_onnxruntime_does_not_run_is_checked_against_the_reference() -> None:
    model = Model()
    x = model.quant("x", bits=5)
    program = compile_model(model.build(model.quant(model.conv(x, 2, 2, 1, 1)), shape=("n", 2, 6, 6))).program
    with pytest.raises(
        UserError, match="^--check onnxruntime: it cannot run this model, use --check reference: .*Quant"
    ):
        run_model(program, {"x": images(1)}, check="onnxruntime")
    result = run_model(program, {"x": images(1)}, check="reference")
    assert result.check is not None and result.check.mismatches == 0


def test_onnxruntime_runs_batches_of_a_fixed_size_one_by_one() -> None:
    program = compile_model(small_model(batch=1)).program
    result = run_model(program, {"x": images(3)}, check="onnxruntime")
    assert result.check is not None and (result.check.elements, result.check.mismatches) == (9, 0)
    program = compile_model(small_model(batch=2)).program
    with pytest.raises(UserError, match="batches of 2, and 3 images are no multiple"):
        run_model(program, {"x": images(3)}, check="onnxruntime")


def test_the_public_functions(tmp_path: Any) -> None:
    program = apc.compile(small_model(), overrides=["array.columns=64"])
    apc.save(program, tmp_path / "m.apc")
    loaded = apc.load(tmp_path / "m.apc")
    one, other = apc.run(program, {"x": images(2)}), apc.run(loaded, {"x": images(2)}, check="reference")
    assert other.check is not None and other.check.mismatches == 0
    for name, values in one.outputs.items():
        np.testing.assert_array_equal(other.outputs[name], values)
