"""`apc quantize`: the file, the table, the JSON object, and one line for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from apc.cli import main
from tests.apc.quantize.models import images, residual_net, run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds net.onnx and images.npz."""
    onnx.save(residual_net(), tmp_path / "net.onnx")
    np.savez(tmp_path / "images.npz", x=images(8))
    return tmp_path


def quantize(folder: Path, *options: str) -> int:
    return main(["quantize", str(folder / "net.onnx"), "-o", str(folder / "q.onnx"), *options])


def test_the_table_and_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize(folder, "--calibration", str(folder / "images.npz")) == 0
    printed = capsys.readouterr()
    rows = {line.split()[0]: line.split() for line in printed.out.splitlines() if line.strip()}
    assert rows["stem"][1:3] == ["Conv", "int8"] and rows["b"][1:3] == ["Conv", "ternary"]
    assert "u4" in rows["a"] and "s4" in rows["b"] and "s8" in rows["fc"]
    assert printed.err == ""
    assert run(onnx.load(folder / "q.onnx"), {"x": images(2)})[0].shape == (2, 5)
    assert sorted(path.name for path in folder.iterdir()) == ["images.npz", "net.onnx", "q.onnx"]


def test_the_json_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize(folder, "--weights", "int4", "--first-last", "same", "--activations", "6", "--json") == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["schema"] == "apc.quantize/1"
    assert result["calibrated"] is False and len(result["warnings"]) == 1
    assert {layer["weights"] for layer in result["layers"]} == {None, "int4"}
    assert {layer["activation_bits"] for layer in result["layers"]} == {6, 8}
    assert printed.err.startswith("apc: warning: no calibration data")


def test_the_exact_flag_gives_powers_of_two(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize(folder, "--exact", "--json") == 0
    scales = [layer["activation_scale"] for layer in json.loads(capsys.readouterr().out)["layers"]]
    assert all(np.frexp(scale)[0] == 0.5 for scale in scales)


def test_mistakes_give_one_line_and_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (folder / "net.onnx").read_bytes()
    (folder / "short.onnx").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "text.onnx").write_text("not a model at all")
    outside = residual_net()
    onnx.external_data_helper.convert_model_to_external_data(outside, location="lost.data", size_threshold=0)
    onnx.save(outside, folder / "outside.onnx")
    (folder / "lost.data").unlink()
    np.savez(folder / "name.npz", image=images(1))
    np.savez(folder / "shape.npz", x=images(1)[:, :2])
    np.savez(folder / "nan.npz", x=np.full((1, 3, 8, 8), np.nan))
    np.savez(folder / "objects.npz", x=np.array([{}], dtype=object))
    np.save(folder / "plain.npy", images(1))
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    model, good = "net.onnx", "images.npz"
    cases = [
        ("short.onnx", good, [], "short.onnx: is not"),
        ("empty.onnx", good, [], "empty.onnx: is not an ONNX model"),
        ("text.onnx", good, [], "text.onnx: "),
        ("outside.onnx", good, [], "lost.data"),
        ("none.onnx", good, [], "none.onnx: cannot be read"),
        ("no.module:factory", good, [], "cannot be imported"),
        (model, "none.npz", [], "none.npz: No such file"),
        (model, "name.npz", [], "do not match the model's inputs ['x']"),
        (model, "shape.npz", [], "array x has shape [1, 2, 8, 8]"),
        (model, "nan.npz", [], "holds NaN"),
        (model, "objects.npz", [], "cannot be read as an .npz"),
        (model, "plain.npy", [], "is a single array, not an .npz archive"),
        (model, "broken.npz", [], "cannot be read as an .npz"),
        (model, good, ["--weights", "twn"], "choose ternary, binary"),
        (model, good, ["--activations", "12"], "choose 2 to 8"),
        (model, good, ["--activations", "four"], "invalid int value"),
        (model, good, ["--percentile", "0"], "choose more than 50"),
    ]
    for name, data, options, reason in cases:
        target = folder / "q.onnx"
        source = name if ":" in name else str(folder / name)
        words = ["quantize", source, "-o", str(target), "--calibration", str(folder / data), *options]
        assert main(words) == 2, name
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.count("\n") == 1, printed.err
        assert printed.err.startswith("apc: error: ") and reason in printed.err
        assert not target.exists()


def test_an_unwritable_output_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", str(folder / "net.onnx"), "-o", str(folder / "no" / "q.onnx")]) == 2
    assert "cannot be written" in capsys.readouterr().err.splitlines()[-1]
