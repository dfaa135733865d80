import json
from pathlib import Path

import jsonschema
import pytest

from apc.cli import main
from apc.target_files import TARGETS, load_one_of
from backends.crossbar.target import crossbar_names
from backends.sram_acim.target import acim_names
from backends.target import load_target


def test_the_list_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "rtm-ap-projected",
        "rtm-ap-published",
        *crossbar_names(),
        *acim_names(),
    ]
    assert lines[1].endswith("(20 of 27 figures assumed)")


def test_show_prints_every_figure_with_unit_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "show", "rtm-ap-published"]) == 0
    text = capsys.readouterr().out
    assert all(figure.key in text for figure in load_target("rtm-ap-published").figures())
    line = next(line for line in text.splitlines() if "energy.write_bit_J" in line)
    assert line.split()[:4] == ["energy.write_bit_J", "6.9e-13", "J", "2017"]
    assert "JETC 2017" in line


def test_json_carries_the_whole_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "show", "rtm-ap-published", "--set", "rows=512", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "apc.targets/1"
    (target,) = document["targets"]
    figures = {figure["key"]: figure for figure in target["figures"]}
    assert figures["array.rows"]["value"] == 512 and figures["array.rows"]["source"] == "set by the user"
    assert figures["energy.write_bit_J"] == {
        "key": "energy.write_bit_J",
        "value": 6.9e-13,
        "unit": "J",
        "source": load_target("rtm-ap-published").provenance["energy.write_bit_J"].source,
        "year": 2017,
        "assumed": False,
    }


KINDS = dict.fromkeys(crossbar_names(), "crossbar") | dict.fromkeys(acim_names(), "sram-acim")


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_arrays_are_shown_alike(name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "show", name, "--set", "adc_bits=7"]) == 0
    text = capsys.readouterr().out
    figures = load_one_of(TARGETS, name).figures()
    assert all(figure.key in text for figure in figures)
    assert main(["targets", "show", name, "--json"]) == 0
    (target,) = json.loads(capsys.readouterr().out)["targets"]
    assert (target["name"], target["kind"]) == (name, kind)
    assert [figure["value"] for figure in target["figures"]] == [figure.value for figure in figures]


def test_a_file_of_either_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('extends = "crossbar-neurosim"\nname = "mine"\ndescription = "my own"\n')
    assert main(["targets", "show", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"][0]["kind"] == "crossbar"
    file.write_text('extends = "acim-22nm"\nname = "mine"\ndescription = "my own"\n')
    assert main(["targets", "show", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"][0]["kind"] == "sram-acim"
    file.write_text('name = "mine"\ndescription = "my own"\n')
    assert main(["targets", "show", str(file)]) == 2
    assert "mine.toml: array is missing" in capsys.readouterr().err


def test_the_schema_of_a_crossbar_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "show", "crossbar-neurosim", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"mapping": "offset", "adc_bits": 8})
    assert not validator.is_valid({"mapping": "none"}) and not validator.is_valid({"adc": 8})


def test_the_schema_of_an_sram_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "show", "acim-22nm", "--schema"]) == 0
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    assert validator.is_valid({"hybrid_level": 2, "noise_lsb": 0.5}) and not validator.is_valid({"mapping": "offset"})


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["show"], "needs a target: one of rtm-ap-projected, rtm-ap-published"),
        (["show", "rtm"], "unknown target 'rtm'"),
        (["show", "no.toml"], "no.toml: cannot read the target file"),
        (["show", "rtm-ap-published", "--set", "rows=5"], "array.rows must be from 64"),
        (["show", "rtm"], "name a .toml file or one of rtm-ap-projected, rtm-ap-published, crossbar-"),
        (["show", "crossbar-neurosim", "--set", "adc_bits=x"], "--set adc_bits=x: 'x' is not a number"),
        (["--set", "rows=64"], "--set needs a target"),
        (["--schema"], "--schema needs a target"),
        (["show", "rtm-ap-published", "--schema"], "--schema is of arrays, and rtm-ap-published is none"),
        (["hide"], "invalid choice: 'hide'"),
    ],
)
def test_mistakes(arguments: list[str], fragment: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and fragment in err and err.startswith("apc: error: ") and err.count("\n") == 1
