import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import networkx as nx
import pytest

import apc
from apc import artifact
from apc.cli import main
from tests.apc.frontend.models import Model
from tests.programs import tiny_program

SCHEMA = Path(__file__).parent.parent.parent.parent / "apc" / "schemas" / "apc.inspect.json"


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "tiny.apc"
    artifact.save(tiny_program(), path)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "show"),
    [
        ([], "summary"),
        (["--layer", "conv"], "summary"),
        (["--level", "layers"], "summary"),
        (["--level", "histogram"], "histogram"),
        (["--level", "histogram", "--layer", "conv"], "histogram"),
        (["--grep", "add"], "grep"),
        (["--sort", "writes"], "sort"),
        (["--level", "graph"], "graph"),
        (["--level", "dag", "--layer", "every"], "dag"),
        (["--level", "macro", "--layer", "1"], "macro"),
        (["--level", "micro", "--tile", "1"], "micro"),
    ],
)
def test_json_follows_its_schema(
    program: str, arguments: list[str], show: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for style in (["--json"], ["--format", "json"]):
        assert main(["inspect", program, *arguments, *style]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    document: dict[str, Any] = json.loads(texts[0])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    assert document["show"] == show
    assert next(iter(document)) == "schema"


def test_json_of_an_instruction(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", program, "--level", "macro", "--range=2:3", "--json"]) == 0
    (instruction,) = json.loads(capsys.readouterr().out)["instructions"]
    assert instruction["gather"] == {"tensor": 0, "channel": 1, "row_map": 2, "pad_value": 0}
    assert instruction["operands"] == {
        "r": {"column": 5, "domain": 4, "width": 4, "signed": False, "across": False},
    }
    assert instruction["phase"] == "gather"
    assert instruction["names"] == {"r": "image[1]@+0,+1"}
    assert instruction["interval"] == [0, 15]


def test_json_of_micro_operations(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", program, "--level", "micro", "--layer", "1", "--range=12:", "--json"]) == 0
    mac, rewind = json.loads(capsys.readouterr().out)["instructions"]
    assert mac["names"] == {"r": "tmp@0005", "a": "w[0]"}
    assert mac["steps"][:2] == ["BROADCAST  gather 2 bit 0", "SEARCH     C=1"]
    assert mac["notes"][:2] == ["", "C: pass 1 of 1"]
    assert (rewind["names"], rewind["interval"]) == ({}, None)
    assert len(rewind["steps"]) == len(rewind["notes"])


def test_matches_as_json(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", program, "--grep", r"^\S+ (add|sub) acc", "--limit", "4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["total"] == 6
    assert [(match["layer"], match["tile"], match["address"]) for match in document["matches"]] == [
        ("conv", 0, 4),
        ("conv", 0, 5),
        ("conv", 0, 6),
        ("conv", 1, 4),
    ]
    assert main(["inspect", program, "--layer", "e*", "--tile", "0", "--grep", "every", "--json"]) == 0
    assert [match["address"] for match in json.loads(capsys.readouterr().out)["matches"]] == [10, 11]


def test_most_of_something(program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["inspect", program, "--level", "macro", "--sort", "shifts", "--limit", "3"]
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    steps = [match["shift_steps"] for match in document["matches"]]
    assert (document["key"], document["total"], len(steps)) == ("shift_steps", 29, 3)
    assert steps == sorted(steps, reverse=True)
    for width in (70, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(arguments) == 0
        heading, *lines, last = capsys.readouterr().out.splitlines()
        column = heading.split().index("shift") - len(heading.split())
        assert heading.split()[:4] == [";", "layer", "tile", "address"]
        assert [line.split()[column] for line in lines] == list(map(str, steps))
        assert last == "; the 3 with most shift steps of 29 instructions, 26 have less: --limit shows more"


def test_a_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = tiny_program()
    network.layers[0].tiles[0].phases = [("load 0", 0), ("sum 0", 3), ("requantise", 7)]
    artifact.save(network, tmp_path / "groups.apc")
    assert main(["inspect", str(tmp_path / "groups.apc"), "--level", "macro", "--group", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("instructions 0:7 of 8")


@pytest.mark.parametrize("width", [80, 120])
def test_a_listing_is_as_wide_as_the_terminal(
    program: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["inspect", program, "--level", "macro", "--layer", "every"]
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(arguments) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) > 150
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(arguments) == 0
    assert width - 30 < max(map(len, capsys.readouterr().out.splitlines())) <= width


def test_a_page(program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `apc report` writes (tests/apc/cli/test_report.py), or one line on what it needs."""
    page = tmp_path / "page.html"
    status = main(["inspect", program, "--format", "html", "-o", str(page)])
    printed = capsys.readouterr()
    assert page.exists() == (status == 0)
    assert (printed.out if status == 0 else printed.err).count("\n") == 1


def test_graphml_is_read_by_networkx(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", program, "--level", "graph", "--format", "graphml"]) == 0
    graph = nx.read_graphml(io.BytesIO(capsys.readouterr().out.encode()))
    assert list(graph) == ["t0", "t1", "t2", "layer0", "layer1"]


def test_phases_and_the_hint_how_to_see_more(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", program, "--level", "macro", "--phase", "sum 0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "; layer 0 conv (Conv), tile 0 of 2, instructions 3:7 of 8"
    assert lines[-1] == "; 1 more: --range 7:8"
    assert main(["inspect", program, "--level", "micro", "--layer", "every"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "; 5 more: --range 8:13"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--format", "dot"], "--format dot draws --level graph or --level dag"),
        (["--level", "macro", "--format", "graphml"], "--format graphml draws"),
        (["--level", "macro", "--layer", "x"], "there is no layer 'x'"),
        (["--level", "macro", "--tile", "2"], "has no tile 2"),
        (["--level", "macro", "--tile", "-1"], "has no tile -1"),
        (["--level", "macro", "--phase", "x"], "has no phase 'x'"),
        (["--level", "macro", "--range=1:2", "--phase", "gather"], "--range and --phase exclude each other"),
        (["--level", "macro", "--range=1:2", "--group", "0"], "--range and --group exclude each other"),
        (["--level", "macro", "--group", "7"], "layer conv has no group 7"),
        (["--range=1:2"], "--tile, --range, --phase and --group choose instructions: give --level dag, macro or"),
        (["--level", "histogram", "--tile", "0"], "choose instructions"),
        (["--level", "layers", "--group", "0"], "choose instructions"),
        (["--grep", "("], "--grep '(' is not a regular expression"),
        (["--grep", "x", "--range=1:2"], "--grep searches whole tiles at --level macro"),
        (["--grep", "x", "--level", "micro"], "--grep searches whole tiles at --level macro"),
        (["--grep", "x", "--layer", "y*"], "there is no layer 'y*'"),
        (["--grep", "x", "--limit", "0"], "--limit 0: show at least one instruction"),
        (
            ["--level", "macro", "--limit", "4"],
            "--limit counts what --grep or --sort shows: give one of them",
        ),
        (["--grep", "x", "--sort", "cycles"], "--grep and --sort exclude each other"),
        (["--sort", "cycles", "--phase", "sum 0"], "--sort searches whole tiles at --level macro"),
        (["--sort", "cycles", "--tile", "2"], "none of the layers searched has a tile 2"),
        (["--format", "html", "--layer", "conv"], "--format html shows the whole program"),
        (["-o", "x.html"], "-o names the page of --format html"),
        (["--level", "graph", "--phase", "gather"], "choose instructions"),
        (["--level", "graph", "--layer", "conv"], "--level graph shows the whole program: leave out --layer"),
        (["--tile", "1"], "choose instructions"),
        (["--level", "macro", "--range=x"], "write A:B"),
        (["--level", "macro", "--range=3"], "must lie within the tile's instructions, 0:8"),
        (["--level", "macro", "--range=5:5"], "must lie within"),
        (["--level", "macro", "--range=8:9"], "must lie within"),
        (["--level", "macro", "--range=-1:2"], "must lie within"),
    ],
)
def test_what_the_program_does_not_have(
    program: str, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", program, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("apc: error: ") and printed.err.count("\n") == 1
    assert reason in printed.err


def test_a_damaged_program(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(program)
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["inspect", program]) == 2
    assert capsys.readouterr().err.startswith(f"apc: error: {program}: not a program, or truncated")


def test_a_program_without_a_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, model = tmp_path / "none.apc", Model()
    artifact.save(apc.compile(model.build(model.quantise("x"))), path)
    assert main(["inspect", str(path), "--level", "macro"]) == 2
    assert capsys.readouterr().err == f"apc: error: {path}: the program has no layer\n"
