"""`apc compile` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

import apc.ablation
from apc.cli import main
from apc.driver import Compilation, CompileOptions
from apc.passes import choose_passes
from backends.rtm_ap.layout import CapacityError
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
    assert main(["compile", str(model), "-O2", "--print-after", "all"]) == 0
    captured = capsys.readouterr()
    headings = [line.split(":")[0] for line in captured.err.splitlines() if line.startswith("; after ")]
    names = choose_passes("O2").names
    assert sorted(headings) == sorted(f"; after {name}" for name in names)
    assert "; after" not in captured.out and "Counts are exact" in captured.out


def test_print_after_tiling_lists_candidates_and_the_reason(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", str(model), "-O2", "--print-after", "tiling", "--json"]) == 0
    captured = capsys.readouterr()
    layers = [layer["name"] for layer in json.loads(captured.out)["layers"]]
    blocks = captured.err.removeprefix("; after tiling\n").split("layer ")[1:]
    assert [block.split(":")[0] for block in blocks] == layers
    for block in blocks:
        marks = [line[2:8].strip() for line in block.splitlines()[1:]]
        assert marks.count("taken") == 1 and marks[-1] == "why" and set(marks) <= {"taken", "other", "no fit", "why"}
    assert "least expected energy" in captured.err


def test_print_after_a_layer_pass_compares_with_a_compilation_without_it(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def total(*words: str) -> int:
        assert main(["compile", str(model), "-O1", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)["totals"]["adds"]

    with_it, without = total(), total("--passes", "dead-code,merge-duplicates")
    assert with_it < without
    assert main(["compile", str(model), "-O1", "--print-after", "cse"]) == 0
    printed = capsys.readouterr().err
    assert printed.startswith("; after cse: without it -> with it\n")
    assert f"{without:,} -> {with_it:,}" in printed.splitlines()[-1]


def test_passes_are_options_of_the_compilation(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def passes(*words: str) -> list[str]:
        assert main(["compile", str(model), "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)["passes"]

    assert passes() == choose_passes("O2").texts
    recorded = passes("-O1", "--pass-option", "cse.channels=2", "--pass-option", "cse.seed=4")
    assert recorded == ["dead-code", "merge-duplicates", "cse{channels=2,seed=4}"]
    assert passes("-O0", "--passes", ",".join(recorded)) == recorded


def test_the_ablation_compiles_without_each_pass(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, ablated = tmp_path / "plain.apc", tmp_path / "ablated.apc"
    assert main(["compile", str(model), "-O1", "-o", str(plain)]) == 0
    assert main(["compile", str(model), "-O1", "-o", str(ablated), "--ablate", "--json"]) == 0
    assert ablated.read_bytes() == plain.read_bytes()
    captured = capsys.readouterr()
    report = json.loads(captured.out[captured.out.index("{") :])
    assert [row["off"] for row in report["ablation"]] == [None, "dead-code", "merge-duplicates", "cse"]
    assert captured.err == ""
    for row in report["ablation"]:
        names = [text for text in report["passes"] if text.split("{")[0] != row["off"]]
        assert main(["compile", str(model), "--passes", ",".join(names), "--json"]) == 0
        totals = json.loads(capsys.readouterr().out)["totals"]
        for key in ("adds", "bit_adds", "search_passes", "write_passes", "encoded_bits", "shifted_bits"):
            assert row[key] == totals[key]
        assert row["written_bits_estimate"] == totals["written_bits_estimate"]
        assert row["energy_estimate_J"] == totals["energy_estimate_J"]
        ratio = totals["energy_estimate_J"]["total"] / report["energy_estimate_J"]["total"]
        assert row["energy_ratio"] == ratio and row["refused"] is None and row["compile_s"] > 0


def test_the_table_of_the_ablation(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.iterdir())
    assert main(["compile", str(model), "--passes", "cse{channels=1},widths", "--ablate"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    start = next(index for index, words in enumerate(lines) if words[:1] == ["passes"])
    rows = [words for words in lines[start:] if words[:1] in (["-O2"], ["without"])]
    assert [words[:2][-1] for words in rows[1:]] == ["cse", "widths"] and rows[0][-3] == "1.000"
    assert sorted(tmp_path.iterdir()) == before


def test_what_does_not_fit_without_a_pass_says_so(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = apc.ablation.compile_model

    def refuse(source: object, options: CompileOptions, **others: Any) -> Compilation:
        if options.passes == "":
            raise CapacityError("layer a: too wide")
        return real(source, options, **others)

    monkeypatch.setattr(apc.ablation, "compile_model", refuse)
    words = ["compile", str(model), "--passes", "cse", "--ablate"]
    assert main(words) == 0
    assert "does not fit: layer a: too wide" in capsys.readouterr().out
    assert main([*words, "--json", "--print-after", "cse"]) == 0
    captured = capsys.readouterr()
    row = json.loads(captured.out)["ablation"][1]
    assert row.pop("off") == "cse" and row.pop("refused") == "layer a: too wide" and set(row.values()) == {None}
    assert captured.err == "; after cse: without it, layer a: too wide\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--passes", "inline"], "--passes: there is no pass 'inline': choose from dead-code, merge-duplicates, cse"),
        (["--passes", "cse{channels=-1}"], "--passes: cse.channels must be an integer from 0 to 1024, not '-1'"),
        (["--passes", "cse,cse"], "--passes: cse is listed twice"),
        (["--pass-option", "inline.x=1"], "--pass-option inline.x=1: there is no pass 'inline': choose from dead-code"),
        (["--pass-option", "cse.chanels=8"], "cse.chanels=8: pass cse has no option 'chanels': choose from channels, "),
        (["--pass-option", "cse.cluster=1"], "--pass-option cse.cluster=1: cse.cluster must be true or false, not '1'"),
        (["--pass-option", "cse"], "--pass-option cse: write PASS.OPTION=VALUE"),
        (["-O1", "--print-after", "tiling"], "this pass does not run here, only dead-code, merge-duplicates, cse"),
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
