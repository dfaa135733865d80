"""`apc compile` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from apc.cli import main
from tests.apc.frontend.models import Model
from tests.apc.small import save, small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path)[0]


def failure(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line of a command that ends with status 2."""
    assert main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("apc: error: ")
    return line.removeprefix("apc: error: ")


def test_the_table_and_the_file(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "m.apc"
    assert main(["compile", str(model), "-o", str(output)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert all(
        heading in "".join(lines[:2]) for heading in ("layer", "adds", "searches", "shifts", "cycles", "estimate")
    )
    assert any(line.split()[:1] == ["all"] for line in lines)
    assert "Counts are exact" in captured.out and "ESTIMATE" in captured.out and f"{output}: " in captured.out
    assert captured.err == ""
    first = output.read_bytes()
    assert main(["compile", str(model), "-o", str(output), "-O2"]) == 0
    assert output.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.apc", "m.onnx", "x.npz"]


def test_without_output_nothing_is_written(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["compile", str(model)]) == 0
    assert sorted(tmp_path.iterdir()) == before
    assert "all" in capsys.readouterr().out


def test_figures_of_the_target_can_be_set(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def totals(*words: str) -> dict[str, int]:
        assert main(["compile", str(model), "-O0", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)["totals"]

    plain, slow, small = (
        totals(),
        totals("--set", "shift_cycles=9"),
        totals("--set", "columns=26", "--set", "domains=24"),
    )
    assert slow["cycles"] > plain["cycles"] and slow["shift_steps"] == plain["shift_steps"]
    assert small["adds"] == plain["adds"] and small["shift_steps"] != plain["shift_steps"]


def test_passes_and_print_after(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(model), "--passes", "dead-code", "--print-after", "dead-code"]) == 0
    printed = capsys.readouterr().err
    assert printed.startswith("; after dead-code\ngraph test {\n  %x") and printed.rstrip().endswith("}")
    assert main(["compile", str(model), "--print-after", "all"]) == 0
    printed = capsys.readouterr().err
    assert printed.count("; after ") == 2 and "; after merge-duplicates" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--passes", "inline"], "--passes: there is no pass 'inline': choose from dead-code, merge-duplicates"),
        (["--print-after", "inline"], "--print-after inline: there is no such pass"),
        (
            ["--passes", "dead-code", "--print-after", "merge-duplicates"],
            "--print-after merge-duplicates: this pass does not run here, only dead-code",
        ),
        (["--passes", "", "--print-after", "dead-code"], "--print-after dead-code: no pass runs here"),
        (["--set", "columns"], "columns"),
        (["--set", "no_such_figure=3"], "no_such_figure"),
        (["--set", "columns=many"], "columns"),
        (["--target", "none-such"], "none-such"),
        (["--input-shape", "x=1,a"], "--input-shape x=1,a: write NAME=1,3,224,224"),
        (["--input-shape", "1,2"], "--input-shape 1,2: write NAME"),
        (["--input-shape", "x=1,0,6,6"], "--input-shape x=1,0,6,6: write NAME"),
        (["--input-shape", "z=1,2,6,6"], "z"),
        (["--calibration", "missing.npz"], "missing.npz: No such file"),
        (["--activations", "four"], "--activations"),
        (["-O0", "--set", "domains=4"], "does not fit a nanowire of 4 domains"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_mistakes_are_one_line(
    model: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in failure(capsys, "compile", model, "-o", tmp_path / "m.apc", *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "x.npz"]


def test_models_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.onnx" in failure(capsys, "compile", tmp_path / "none.onnx")
    whole = small_model().SerializeToString()
    for content in (b"", b"not a model", whole[: len(whole) // 2]):
        (tmp_path / "bad.onnx").write_bytes(content)
        assert "bad.onnx" in failure(capsys, "compile", tmp_path / "bad.onnx")


def test_an_output_that_cannot_be_written(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "missing" in failure(capsys, "compile", model, "-o", tmp_path / "missing" / "m.apc")


def test_an_open_shape_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Model(seed=3)
    y = model.quantise(model.conv(model.quantise("x"), 4, 2, 3, 3))
    onnx.save(model.build(y, shape=("n", 2, "h", "w")), tmp_path / "open.onnx")
    assert "--input-shape" in failure(capsys, "compile", tmp_path / "open.onnx")
    assert main(["compile", str(tmp_path / "open.onnx"), "--input-shape", "x=1,2,5,7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["positions"] == 3 * 5
