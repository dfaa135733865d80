"""`apc explain`: text literally, JSON by its schema, and one line for whatever is wrong."""

import json
from pathlib import Path

import jsonschema
import pytest

from apc import artifact
from apc.cli import main
from tests.apc.schemas import schema
from tests.programs import tiny_program


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "tiny.apc"
    artifact.save(tiny_program(), path)
    return str(path)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]


CONV = """\
conv[1]: channel 1 of layer 0 conv (Conv), tile 1, at c7.d16:4, in [0, 15]
its sum is acc[1] after 0x0006: 3 terms, and a constant of 5, by 3 additions, none of which serve other outputs as well
address  computation             operand in        at    then in  also for outputs
──────────────────────────────────────────────────────────────────────────────────
         the output:                         c7.d16:4
0x0007   = clamp(acc[1], 0, 15)   [-10, 35]  c6.d0:8s    [0, 15]
         acc[1], its sum:                    c6.d0:8s
         (sum 0)
0x0003   = 5                                              [5, 5]
0x0004   - image[0]@+0,-1           [0, 15]   c3.d0:4   [-10, 5]
0x0005   + image[0]@+0,+0           [0, 15]   c4.d0:4  [-10, 20]
0x0006   + image[1]@+0,+1           [0, 15]   c5.d4:4  [-10, 35]
the output takes  in all  shared divided
────────────────────────────────────────
"""
EVERY = """\
address  computation                operand in        at      then in  also for outputs
───────────────────────────────────────────────────────────────────────────────────────
         the output:                            c8.d3:4x
0x000a   = 9 where tmp@0005 >= 1    [-16, 127]  c7.d0:8s      [0, 15]  1: 1
         tmp@0005, for 2 outputs:               c7.d0:8s
0x0005   = tmp@0004                [-128, 127]  c6.d0:8s  [-128, 127]  1: 1
0x0006   - 7                                              [-128, 127]
0x0007   - tmp@0002 >> 1               [0, 15]   c5.d1:4  [-128, 127]  1: 1
0x0009   = max of it and tmp@0004    [-16, 15]  c6.d0:8s   [-16, 127]  1: 1
         tmp@0004, for 2 outputs:               c6.d0:8s
0x0004   = conv[0]@+0,+0               [0, 15]   c3.d0:4               1: 1
         - conv[1]@+0,+0 (+128)        [0, 15]   c4.d0:4  [-128, 127]  1: 1
0x0008   sign extended to 8 bits                            [-16, 15]
         tmp@0002, for 2 outputs:                c5.d0:5
0x0002   = conv[0]@+0,+0               [0, 15]   c3.d0:4               1: 1
         + conv[1]@+0,+0               [0, 15]   c4.d0:4      [0, 30]  1: 1
"""


def test_a_sum(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", program, "--layer", "conv", "--output", "1"]) == 0
    lines = printed(capsys)
    assert lines[: CONV.count("\n")] == CONV.splitlines()
    assert lines[-6:][1].split() == ["additions", "3", "3.0"]


def test_every_opcode(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", program, "--output", "0"]) == 0
    assert printed(capsys)[1 : 1 + EVERY.count("\n")] == EVERY.splitlines()


def test_narrow(program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["explain", program, "--output", "0"]) == 0
    lines = printed(capsys)
    assert max(map(len, lines)) <= 70
    assert "no room for the columns operand in: COLUMNS=200 or --json has them" in " ".join(lines)


def test_depth(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", program, "--output", "0", "--depth", "1"]) == 0
    lines = printed(capsys)
    assert "2 more values are further from the output: --depth 2" in lines
    assert not any("tmp@0002, for" in line for line in lines)


@pytest.mark.parametrize("layer", ["conv", "1"])
def test_json_follows_its_schema(program: str, layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", program, "--layer", layer, "--output", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema("explain")).validate(document)
    assert next(iter(document)) == "schema" and document["program"] == program


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "2"], "--output 2: layer every computes the channels 0 to 1"),
        (["--output", "-1"], "--output -1: layer every computes the channels 0 to 1"),
        (
            ["--output", "0", "--layer", "fc"],
            "there is no layer 'fc' (`apc inspect OUT.apc --level layers` lists them)",
        ),
        (
            ["--output", "0", "--layer", "evry"],
            "there is no layer 'evry'; did you mean every? (`apc inspect OUT.apc --level layers` lists them)",
        ),
        (["--output", "0", "--depth", "-1"], "--depth -1: must not be negative"),
    ],
)
def test_one_line_for_bad_input(
    program: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", program, *arguments]) == 2
    assert capsys.readouterr().err == f"apc: error: {message}\n"


def test_markup_in_names_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tricky = tiny_program()
    tricky.tensors[0].name = "[bold]x[/bold]"
    artifact.save(tricky, tmp_path / "t.apc")
    assert main(["explain", str(tmp_path / "t.apc"), "--layer", "0", "--output", "0"]) == 0
    assert "+ [bold]x[/bold][0]@+0,-1" in capsys.readouterr().out
