"""`apc run` from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import apc
from apc.checks import run_onnxruntime
from apc.cli import main
from apc.npz import write_npz
from ir.isa import Op
from tests.apc.frontend.models import Model
from tests.apc.small import images, save, small_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m.onnx, m.apc, and x.npz with three images."""
    folder = tmp_path_factory.mktemp("run")
    model, _ = save(folder)
    apc.save(apc.compile(model), folder / "m.apc")
    return folder


def failure(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line.removeprefix("apc: error: ")


def test_outputs_have_onnx_names_and_values(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "y.npz"
    assert main(["run", str(folder / "m.apc"), "--input", str(folder / "x.npz"), "--output", str(output)]) == 0
    text = capsys.readouterr().out
    assert "3 image(s)" in text and "energy per image" in text and "left to the host: quantise input x" in text
    model = onnx.load(folder / "m.onnx")
    name = model.graph.output[0].name
    with np.load(output) as written:
        assert written.files == [name]
        np.testing.assert_array_equal(written[name], run_onnxruntime(model, {"x": images(3)}, [name])[name])
    assert [path.name for path in tmp_path.iterdir()] == ["y.npz"]


@pytest.mark.parametrize("against", ["reference", "onnxruntime"])
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_checks_of_a_sound_program(folder: Path, against: str, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--check", against, "--engine", engine, "--threads", "1"]
    assert main(["run", str(folder / "m.apc"), "--input", str(folder / "x.npz"), *words]) == 0
    assert f"check against {against}: 0 of " in capsys.readouterr().out


@pytest.mark.parametrize("against", ["reference", "onnxruntime"])
def test_a_mismatch_is_status_1(folder: Path, tmp_path: Path, against: str, capsys: pytest.CaptureFixture[str]) -> None:
    program = apc.load(folder / "m.apc")
    records = program.layers[0].tiles[0].instructions.copy()
    records["op"][np.flatnonzero(records["op"] == Op.ADD)[0]] = Op.SUB
    program.layers[0].tiles[0].instructions = records
    apc.save(program, tmp_path / "wrong.apc")
    words = ["--input", str(folder / "x.npz"), "--output", str(tmp_path / "y.npz"), "--check", against]
    assert main(["run", str(tmp_path / "wrong.apc"), *words]) == 1
    assert f"check against {against}: 0 of " not in capsys.readouterr().out
    assert (tmp_path / "y.npz").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": images(1)}, "the inputs are named z, but the network's are x: rename the arrays"),
        ({"x": images(1), "z": images(1)}, "the inputs are named x, z"),
        ({"x": images(1)[0]}, "input x: has shape (2, 6, 6), expected (N, 2, 6, 6)"),
        ({"x": images(1)[..., :5]}, "input x: has shape (1, 2, 6, 5)"),
        ({"x": images(1).astype(np.float64)}, "input x: has dtype float64, expected float32"),
        ({"x": np.full((1, 2, 6, 6), np.nan, np.float32)}, "input x: has NaN or infinite values"),
        ({"x": np.full((1, 2, 6, 6), -np.inf, np.float32)}, "input x: has NaN or infinite values"),
    ],
)
def test_inputs_that_do_not_fit(
    folder: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_npz(tmp_path / "x.npz", arrays)
    words = ["--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz"]
    assert failure(capsys, "run", folder / "m.apc", *words).startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_integers_out_of_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An integer input crosses as it is: the ends of its type are right, what its type cannot hold is refused."""
    model = Model()
    x = model.node("DequantizeLinear", "x", model.const(0.25), model.const(0, np.uint8))
    model_proto = model.build(
        model.quantise(model.conv(x, 2, 2, 1, 1)), shape=(1, 2, 3, 3), dtype=onnx.TensorProto.UINT8
    )
    apc.save(apc.compile(model_proto), tmp_path / "m.apc")
    np.savez(tmp_path / "x.npz", x=np.full((1, 2, 3, 3), 255, np.uint8))
    assert main(["run", str(tmp_path / "m.apc"), "--input", str(tmp_path / "x.npz"), "--check", "onnxruntime"]) == 0
    capsys.readouterr()
    np.savez(tmp_path / "x.npz", x=np.full((1, 2, 3, 3), 256, np.int64))
    assert "input x: has dtype int64, expected uint8" in failure(
        capsys, "run", tmp_path / "m.apc", "--input", tmp_path / "x.npz"
    )


def test_files_that_are_missing_or_damaged(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, data = folder / "m.apc", folder / "x.npz"
    assert "none.apc" in failure(capsys, "run", tmp_path / "none.apc", "--input", data)
    assert "none.npz" in failure(capsys, "run", program, "--input", tmp_path / "none.npz")
    assert "missing" in failure(capsys, "run", program, "--input", data, "--output", tmp_path / "missing" / "y.npz")
    (tmp_path / "cut.apc").write_bytes(program.read_bytes()[:-100])
    assert "cut.apc" in failure(capsys, "run", tmp_path / "cut.apc", "--input", data)
    assert "--threads 0" in failure(capsys, "run", program, "--input", data, "--threads", "0")
    assert "--engine" in failure(capsys, "run", program, "--input", data, "--engine", "slow")


def test_a_process_ends_with_the_status(folder: Path) -> None:
    words = [sys.executable, "-m", "apc", "run", str(folder / "m.apc"), "--input", str(folder / "none.npz")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith("apc: error: ") and ended.stderr.count("\n") == 1


def test_the_model_in_the_program_is_the_one_that_was_compiled(folder: Path) -> None:
    program = apc.load(folder / "m.apc")
    assert onnx.load_model_from_string(program.model) == onnx.load(folder / "m.onnx")
    assert len(small_model().graph.node) == len(onnx.load_model_from_string(program.model).graph.node)
