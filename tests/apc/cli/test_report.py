"""`apc report`: the page it writes, what it prints, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import jsonschema
import pytest

from apc.cli import main
from apc.inspector import page
from tests.apc.inspector.reading import read
from tests.apc.small import save

SCHEMA = Path(__file__).parent.parent.parent.parent / "apc" / "schemas" / "apc.report.json"


@pytest.fixture()
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program m.apc, run.json of it, and a bundle that says nothing."""
    monkeypatch.setattr(page, "BUNDLE", tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle").mkdir()
    for name in ("inspector.js", "inspector.css", "licences.txt"):
        (tmp_path / "bundle" / name).write_text("", encoding="utf-8")
    save(tmp_path)
    assert main(["compile", "m.onnx", "-o", "m.apc"]) == 0
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["run", "m.apc", "--input", "x.npz", "--json"]) == 0
    Path("run.json").write_text(out.getvalue(), encoding="utf-8")
    return tmp_path


def test_a_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "m.apc", "-o", "r.html"]) == 0
    facts = read(Path("r.html").read_text(encoding="utf-8")).summary()
    size, count = (folder / "r.html").stat().st_size, sum(layer["instructions"] for layer in facts["layers"])
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"r.html: {size:,} bytes, 5 layers, {count:,} instructions, estimated energies"
    )
    assert facts["energy"]["estimate"]


def test_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "run.json", "-o", "r.html", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert printed["program"] == "m.apc" and not printed["energy_is_estimate"]
    assert printed["bytes"] == Path("r.html").stat().st_size
    facts = read(Path("r.html").read_text(encoding="utf-8")).summary()
    assert facts["energy"]["images"] == 3 and facts["run"]["program"] == "m.apc"


def test_the_same_sources_give_the_same_bytes(folder: Path) -> None:
    for name in ("a.html", "b.html"):
        assert main(["report", "m.apc", "-o", name]) == 0
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["m.apc", "-o", "r.txt"], "ends in .html"),
        (["m.apc", "-o", "nowhere/r.html"], "there is no folder"),
        (["x.html", "-o", "x.html"], "is read by this command"),
        (["m.onnx", "-o", "r.html"], "neither an .apc program nor JSON"),
    ],
)
def test_refusals(words: list[str], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.html").write_text("", encoding="utf-8")
    before = sorted(path.name for path in folder.iterdir())
    assert main(["report", *words]) == 2
    assert complaint in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_without_the_bundle_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bundle" / "inspector.js").unlink()
    assert main(["report", "m.apc", "-o", "r.html"]) == 2
    assert "make bundle" in capsys.readouterr().err and not Path("r.html").exists()
