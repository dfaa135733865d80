"""`apc run` with faults, labels, batches and wear, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import apc
import apc.errors
from apc.cli import main
from tests.apc.small import images, save

SCHEMA = Path(__file__).parent.parent.parent.parent / "apc" / "schemas" / "apc.run.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m.apc, five images in x.npz, their labels in y.npy, and fault files."""
    folder = tmp_path_factory.mktemp("faults")
    model, _ = save(folder, 5)
    apc.save(apc.compile(model), folder / "m.apc")
    np.save(folder / "y.npy", np.array([0, 1, 2, 0, 1]))
    (folder / "shift.toml").write_text("[shift]\nover = 1e-3\nunder = 1e-3\n")
    guarded = "[shift]\nover = 1e-3\n[mitigation]\nrealign_every = 5\nguard_domains = 1\n"
    (folder / "guarded.toml").write_text(f'description = "guarded"\n{guarded}')
    (folder / "code.toml").write_text("[mitigation]\ncorrect = 1\n")
    return folder


def words(folder: Path, *more: str) -> list[str]:
    return ["run", str(folder / "m.apc"), "--input", str(folder / "x.npz"), *more]


def printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def document(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    report = json.loads(printed(capsys, [*arguments, "--json"]))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(report)
    return report


def test_accuracy_of_a_fault_free_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = words(folder, "--labels", str(folder / "y.npy"), "--batch", "2")
    report = document(capsys, labelled)
    result = apc.run(apc.load(folder / "m.apc"), {"x": images(5)})
    (scores,) = result.outputs.values()
    assert report["accuracy"] == (scores.argmax(1) == [0, 1, 2, 0, 1]).mean()
    assert (report["images"], report["batch"]) == (5, 2) and "faults" not in report
    text = printed(capsys, labelled)
    assert f"accuracy {report['accuracy']:.2%}" in text and "J in batches of 2: search" in text


def test_trials(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--faults",
        str(folder / "shift.toml"),
        "--trials",
        "3",
        "--seed",
        "7",
        "--labels",
        str(folder / "y.npy"),
    ]
    report = document(capsys, words(folder, *options, "--output", str(tmp_path / "y.npz")))["faults"]
    program, faults = apc.load(folder / "m.apc"), apc.load_faults(folder / "shift.toml")
    labels = np.load(folder / "y.npy")
    found = apc.run_trials(program, {"x": images(5)}, faults, trials=3, seed=7, labels=labels)
    assert found.accuracy is not None and report["accuracy"]["mean"] == found.accuracy.mean
    assert report["agreement"]["mean"] == found.agreement.mean and report["events"] == found.events
    assert [layer["different"] for layer in report["layers"]] == [layer.different for layer in found.layers]
    assert (report["seed"], report["trials"], report["name"]) == (7, 3, "shift")
    with np.load(tmp_path / "y.npz") as written:
        for name, values in found.outputs.items():
            np.testing.assert_array_equal(written[name], values)
    for other in (["--threads", "1"], ["--batch", "2"], ["--engine", "reference"]):
        again = document(capsys, words(folder, *options, *other))["faults"]
        assert {**again, "overhead": 0, "logit_error": 0} == {**report, "overhead": 0, "logit_error": 0}
    text = printed(capsys, words(folder, *options))
    assert "accuracy with faults" in text and "(t interval over the trials)" in text and "mitigation:" not in text


def test_mitigation_is_priced_beside_its_benefit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = document(capsys, words(folder, "--faults", str(folder / "guarded.toml")))
    overhead = report["faults"]["overhead"]
    assert overhead["realignments"] > 0 and overhead["checks"] > overhead["realignments"]
    assert overhead["latency_share"] == pytest.approx(overhead["latency_s"] / report["latency_s"])
    assert overhead["energy_share"] == pytest.approx(overhead["energy_J"] / report["energy_J"]["total"])
    assert report["faults"]["description"] == "guarded" and "accuracy" not in report["faults"]
    text = printed(capsys, words(folder, "--faults", str(folder / "guarded.toml")))
    assert f"mitigation: {overhead['realignments']:,} realignments" in text and "guard domains: wires +" in text


def test_wear(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = document(capsys, words(folder, "--wear"))
    wear, layers = report["wear"], [layer["name"] for layer in report["layers"]]
    assert [layer["name"] for layer in wear["layers"]] == layers
    assert wear["writes"] >= max(layer["writes"] for layer in wear["layers"]) > 0 and wear["years"] > 0
    text = printed(capsys, words(folder, "--wear"))
    assert "years of life" in text and "hottest cell of a layer" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "1"], "--seed is of a run with faults: give --faults too"),
        (["--trials", "2"], "--trials is of a run with faults: give --faults too"),
        (["--faults", "none", "--check", "reference"], "--check reference is of a run without faults"),
        (["--faults", "none", "--trials", "0"], "--trials 0"),
        (["--faults", "none", "--seed", "-1"], "--seed -1"),
        (["--faults", "nothing"], "unknown faults 'nothing': name a .toml file or one of none,"),
        (["--batch", "0"], "--batch 0"),
        (["--labels", "missing.npy"], "missing.npy"),
        (["--wear", "--engine", "reference"], "wear is counted by the fast engine only"),
        (["--engine", "reference", "--layer", "0", "--range", "0:1", "--faults", "none"], "--faults is of a whole run"),
        (["--engine", "reference", "--layer", "0", "--range", "0:1", "--wear"], "--wear is of a whole run"),
    ],
)
def test_options_that_are_refused(
    folder: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, *options)) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith(f"apc: error: {message}")


def test_a_code_without_guard_domains_names_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, "--faults", str(folder / "code.toml"))) == 2
    assert capsys.readouterr().err.startswith("apc: error: faults code: mitigation.correct is 1, but there are only 0")


@pytest.mark.parametrize("option", ["--faults", "--labels"])
@pytest.mark.parametrize("written", ["--output", "--trace"])
def test_what_is_read_is_not_replaced(
    folder: Path, option: str, written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = {"--faults": "shift.toml", "--labels": "y.npy"}[option]
    held = (folder / name).read_bytes()
    command = ["run", str(folder / "m.apc"), "--input", str(folder / "x.npz")]
    assert main([*command, option, str(folder / name), written, str(folder / name)]) == 2
    assert "would be replaced" in capsys.readouterr().err and (folder / name).read_bytes() == held
    both = str(tmp_path / "both")
    assert main([*command, "--output", both, "--trace", both]) == 2
    assert "name the same file" in capsys.readouterr().err and not Path(both).exists()


def test_the_python_interface_refuses_what_the_command_does(folder: Path) -> None:
    program = apc.load(folder / "m.apc")
    inputs = dict(np.load(folder / "x.npz"))
    for options in ({"check": "foo"}, {"engine": "zz"}, {"seed": 1.5}, {"labels": "y.npy"}, {"faults": "unheard-of"}):
        with pytest.raises(apc.errors.ApcError):
            apc.run(program, inputs, **options)
    named = apc.run(program, inputs, faults=folder / "shift.toml", seed=3)
    loaded = apc.run(program, inputs, faults=apc.load_faults(folder / "shift.toml"), seed=3)
    assert named.simulation.faults == loaded.simulation.faults
