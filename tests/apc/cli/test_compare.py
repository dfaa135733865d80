"""`apc compare` from the command line, on a small network."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest

import apc
from apc.cli import main
from backends.crossbar.target import crossbar_names, load_crossbar
from backends.sram_acim.target import acim_names
from backends.target import load_target
from tests.apc.frontend.models import Model
from tests.apc.small import images, save
from tests.close import close

SCHEMA = json.loads((Path(apc.__file__).parent / "schemas" / "apc.compare.json").read_text(encoding="utf-8"))
QUICK = ["--against", "crossbar-neurosim", "--no-sensitivity"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m.onnx, m.apc, and x.npz with six images, y.npz with their labels."""
    folder = tmp_path_factory.mktemp("compare")
    model, data = save(folder, 6)
    apc.save(apc.compile(model), folder / "m.apc")
    np.save(folder / "y.npy", np.array([0, 1, 2, 0, 1, 2]))
    return folder


def document(*words: object) -> dict[str, Any]:
    """The checked JSON of a command that succeeds."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["compare", *map(str, words), "--json"]) == 0
    found = json.loads(out.getvalue())
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


def failure(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["compare", *map(str, words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line.removeprefix("apc: error: ")


def sums_up(found: dict[str, Any]) -> None:
    for backend in found["backends"]:
        energy = dict(backend["energy_J"])
        total = energy.pop("total")
        assert sum(energy.values()) == total == sum(layer["energy_J"]["total"] for layer in backend["layers"])


def test_all_presets_of_both_kinds(folder: Path) -> None:
    found = document(folder / "m.apc", "--no-sensitivity")
    sums_up(found)
    assert [backend["name"] for backend in found["backends"]] == [
        "rtm-ap-published",
        "rtm-ap-projected",
        *crossbar_names(),
        *acim_names(),
    ]
    assert len(found["break_even"]["pairs"]) == 2 * len([*crossbar_names(), *acim_names()])
    assert found["images"] is None and found["reference"] == "rtm-ap-published"
    assert found["sensitivity"] == {"factor": None, "pairs": []}
    ratios = [backend["ratio_to_ap"] for backend in found["backends"]]
    energies = [backend["energy_J"]["total"] for backend in found["backends"]]
    assert ratios == [energy / energies[0] for energy in energies]


def test_a_model_is_compiled_first(folder: Path) -> None:
    from_model = document(folder / "m.onnx", *QUICK, "--set", "rtm-ap-published.columns=128")
    assert from_model["backends"][0]["name"] == "rtm-ap-published with columns=128"
    assert from_model["backends"][0]["overrides"] == ["columns=128"]
    assert "rtm-ap-projected is left out" in from_model["notes"][0]
    compiled, loaded = document(folder / "m.onnx", *QUICK), document(folder / "m.apc", *QUICK)
    assert (compiled.pop("program"), compiled.pop("program_sha256")) == (None, None)
    assert (loaded.pop("program"), len(loaded.pop("program_sha256"))) == (str(folder / "m.apc"), 64)
    assert compiled == loaded
    assert from_model["workload"]["name"] == "m"


def test_layers_have_no_area_where_silicon_is_not_theirs(folder: Path) -> None:
    """Those of an associative processor use the same arrays in turn; of arrays, the chip's area is known as a whole."""
    for backend in document(folder / "m.apc", *QUICK)["backends"]:
        assert {layer["area_m2"] for layer in backend["layers"]} == {None} and backend["area_m2"] > 0


def test_events_and_classes_are_counted_on_a_dataset(folder: Path) -> None:
    words = [folder / "m.apc", *QUICK, "--dataset", folder / "x.npz", "--labels", folder / "y.npy"]
    found = document(*words, "--set", "crossbar-neurosim.adc_bits=16")
    sums_up(found)
    side, _, crossbar = found["backends"]
    run = apc.run(apc.load(folder / "m.apc"), {"x": images(6)}, batch=1)
    assert side["energy_J"]["total"] == close(run.cost.energy_J()["total"], rel=1e-12)
    assert side["latency_s"] == close(run.cost.latency_s() / 6)
    assert side["agreement"] == 1.0 and side["energy_source"] == "written bits counted on the dataset"
    assert crossbar["agreement"] == 1.0 and crossbar["accuracy"] == side["accuracy"]
    assert crossbar["name"] == "crossbar-neurosim with adc_bits=16"
    two = document(*words, "--images", 2, "--batch", 2)
    assert two["images"] == two["workload"]["batch"] == 2
    for backend in two["backends"]:
        assert backend["batch_latency_s"] == close(2 * backend["latency_s"])
    assert document(*words) == document(*words, "--threads", 1)


def test_sensitivity(folder: Path) -> None:
    found = document(folder / "m.apc", "--against", "crossbar-neurosim", "--factor", 2)
    assert found["sensitivity"]["factor"] == 2
    pair, other = found["sensitivity"]["pairs"]
    assert (pair["ap"], other["ap"]) == ("rtm-ap-published", "rtm-ap-projected")
    (row,) = (row for row in pair["rows"] if row["key"] == "energy.shift_step_J")
    halved = document(folder / "m.apc", *QUICK, "--set", f"rtm-ap-published.shift_step_J={row['low']}")
    assert halved["backends"][2]["ratio_to_ap"] == close(row["ratio_low"])


def test_break_even_by_setting_the_solved_value(folder: Path) -> None:
    words = [folder / "m.apc", *QUICK, "--target", "rtm-ap-projected", "--set", "rtm-ap-projected.write_bit_J=0"]
    words += ["--set", "rtm-ap-projected.control_bit_J=1e-16", "--set", "rtm-ap-projected.move_bit_global_J=0"]
    (pair,) = document(*words)["break_even"]["pairs"]
    adc = pair["adc"]
    assert adc["energy_per_conversion_J"] * adc["conversions"] == close(adc["energy_J"])
    for figure in pair["figures"]:
        if figure["tie_value"] is not None:
            tied = document(*words, "--set", f"rtm-ap-projected.{figure['key']}={figure['tie_value']}")
            assert tied["break_even"]["pairs"][0]["ratio"] == close(1.0)
    assert any(figure["tie_value"] is not None for figure in pair["figures"])


def test_what_people_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--set", "crossbar-neurosim.adc_bits=5", "--layers", "--top", "3", "--against", "crossbar-neurosim"]
    assert main(["compare", str(folder / "m.apc"), *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in (
        "crossbar-neurosim with adc_bits=5",
        "ratio to the AP",
        "movement share",
        "TOPS/W",
        "figures assumed",
        "rtm-ap-projected: tie / 7.5x",
        "published: 7.5x less energy than crossbar CIM, of which moving activations takes 3% against 30% to 70% (arXiv",
        "rtm-ap-published against crossbar-neurosim with adc_bits=5",
        "would take",
        "sensitivity: every figure alone, / and x 3",
    ):
        assert word in out
    for layer in apc.load(folder / "m.apc").layers:
        assert layer.name in out


def test_every_source_on_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(folder / "m.apc"), *QUICK, "--sources"]) == 0
    out = capsys.readouterr().out
    for target in (load_target("rtm-ap-published"), load_crossbar("crossbar-neurosim")):
        assert all(figure.key in out and figure.provenance.source[:30] in out for figure in target.figures())


def test_energies_that_are_all_zero(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = load_target("rtm-ap-published")
    keys = [figure.key for figure in target.figures() if figure.key.startswith("energy.") or "leakage" in figure.key]
    words = [word for key in keys for word in ("--set", f"rtm-ap-published.{key}=0")]
    assert "takes no energy at all" in failure(capsys, folder / "m.apc", *QUICK, *words)


def test_a_network_without_products(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Model()
    pooled = model.node("MaxPool", model.quantise("x"), kernel_shape=[2, 2])
    onnx.save(model.build(model.quantise(pooled), shape=(1, 2, 4, 4)), tmp_path / "pool.onnx")
    assert "has no convolution and no matrix product" in failure(capsys, tmp_path / "pool.onnx", *QUICK)


def test_names_are_not_markup(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "odd.toml"
    file.write_text('extends = "crossbar-neurosim"\nname = "[/odd] <b>"\ndescription = "[bold]"\n')
    words = ["--no-sensitivity", "--against", str(file), "--sources", "--html", str(tmp_path / "r.html")]
    assert main(["compare", str(folder / "m.apc"), *words]) == 0
    assert "[/odd] <b>" in capsys.readouterr().out
    assert "<b>" not in (tmp_path / "r.html").read_text()


def test_files_are_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*QUICK, "--csv", str(tmp_path / "c.csv"), "--html", str(tmp_path / "c.html")]
    assert main(["compare", str(folder / "m.apc"), *words]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    whole = [row for row in rows if not row["layer"]]
    assert [row["backend"] for row in whole] == ["rtm-ap-published", "rtm-ap-projected", "crossbar-neurosim"]
    page = (tmp_path / "c.html").read_text()
    assert page.count("<svg") == 3 and load_target("rtm-ap-published").provenance["energy.write_bit_J"].source in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.csv", "c.html"]


def test_targets_from_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'extends = "crossbar-neurosim"\nname = "mine"\ndescription = "my own"\n'
        '[adc.adc_bits]\nvalue = 4\nsource = "measured here"\nyear = 2026\nassumed = false\n'
    )
    words = [folder / "m.apc", "--no-sensitivity", "--against", tmp_path / "mine.toml", "--set", "mine.rows=64"]
    crossbar = document(*words)["backends"][-1]
    assert (crossbar["name"], crossbar["overrides"]) == ("mine with rows=64", ["rows=64"])
    assert {figure["key"]: figure["value"] for figure in crossbar["figures"]}["adc.adc_bits"] == 4


def test_the_python_interface(folder: Path) -> None:
    found = apc.compare(apc.load(folder / "m.apc"), against=["crossbar-neurosim"], factor=None)
    assert [backend.kind for backend in found.backends] == ["rtm-ap", "rtm-ap", "crossbar"]
    for source in (onnx.load(folder / "m.onnx"), folder / "m.apc"):
        again = apc.compare(source, against=["crossbar-neurosim"], factor=None)
        assert [item.energy_J for item in again.backends] == [item.energy_J for item in found.backends]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.apc"], "none.apc"),
        (["none.onnx"], "none.onnx"),
        (["m.onnx", "--against", "neurosim"], "unknown target 'neurosim'"),
        (["m.apc", "--against", "neurosim"], "unknown target 'neurosim'"),
        (["m.apc", "--target", "none.toml"], "none.toml: cannot read the target file"),
        (["m.apc", "--set", "adc_bits=6"], "--set adc_bits=6: write NAME.KEY=VALUE"),
        (["m.apc", "--set", "crossbar-neurosim.adc_bits=0"], "--set adc_bits=0: adc.adc_bits must be from 1 to 16"),
        (["m.apc", "--set", "rtm-ap-published.rows=64"], "are not those the program was compiled for"),
        (["m.apc", "--labels", "y.npy"], "labels and a number of images are of a dataset: give --dataset"),
        (["m.apc", "--images", "3"], "labels and a number of images are of a dataset: give --dataset"),
        (["m.apc", "--dataset", "x.npz", "--images", "0"], "--images 0: at least one is needed"),
        (["m.apc", "--batch", "0"], "--batch 0: at least one is needed"),
        (["--against", "crossbar-neurosim", "m.apc"], "name OUT.apc or a model, before --against"),
        (["m.apc", "--factor", "1"], "--factor 1: it must be above 1"),
        (["m.apc", "--factor", "nan"], "--factor nan: it must be above 1"),
        (["m.apc", "--factor", "1e7"], "--factor 1e+07: it must be above 1 and at most 1e+06"),
        (["m.apc", "--top", "0"], "--top 0: at least one figure is needed"),
        (["m.apc", "--dataset", "m.onnx"], "m.onnx: cannot be read as an .npz archive"),
        (["m.apc", "--html", "m.apc"], "m.apc: is read by this command and would be replaced"),
        (["m.apc", "--html", "missing/r.html"], "missing"),
        (["m.apc", "--csv", "r.csv", "--html", "r.csv"], "--csv and --html name the same file"),
    ],
)
def test_mistakes(folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.iterdir())
    files = (".apc", ".onnx", ".npz", ".npy", ".toml", ".html", ".csv")
    placed = [str(folder / word) if word.endswith(files) else word for word in words]
    assert message in failure(capsys, *placed)
    assert sorted(folder.iterdir()) == before


def test_labels_that_do_not_fit(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "y.npy", np.array([0, 1]))
    words = [folder / "m.apc", *QUICK, "--dataset", folder / "x.npz", "--labels", tmp_path / "y.npy"]
    assert failure(capsys, *words, "--html", tmp_path / "r.html") == "--labels: there are 2 labels for 6 images"
    assert not (tmp_path / "r.html").exists()
