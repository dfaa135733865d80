"""`apc diff` as a command; what it says is tested in tests/apc/report/test_difference.py."""

import json
from pathlib import Path

import jsonschema
import pytest

from apc import artifact
from apc.cli import main
from tests.apc.schemas import schema
from tests.programs import tiny_program


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """a.apc, and b.apc whose second layer adds another constant and has another name."""
    artifact.save(tiny_program(), tmp_path / "a.apc")
    other = tiny_program()
    other.layers[1].tiles[0].constants[1] = 8
    other.layers[1].name = "[red]last[/red]"
    other.level = "O1"
    artifact.save(other, tmp_path / "b.apc")
    return [str(tmp_path / name) for name in ("a.apc", "b.apc")]


def test_text(files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["diff", *files]) == 0
    out = capsys.readouterr().out
    assert "the same model, the same target\nlevel: O0 -> O1\n" in out
    assert "every (only in A)" in out and "[red]last[/red]" in out
    assert "1 other layer is the same in both" in out
    assert max(len(line.rstrip()) for line in out.splitlines() if str(Path(files[0]).parent) not in line) <= 80


def test_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *files, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema("diff")).validate(document)
    assert document["files"] == files and not document["identical"]


def test_the_same_file(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", files[0], files[0]]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["the programs are identical"]


def test_a_file_that_is_missing(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", files[0], "nothing.apc"]) == 2
    assert capsys.readouterr().err == "apc: error: nothing.apc: there is no such file\n"
