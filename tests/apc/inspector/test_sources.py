"""Which files make a report, and what is said of those that do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import apc
from apc.inspector.sources import read_sources
from ir.errors import UserError


@pytest.fixture()
def folder(digits: Path, tmp_path: Path) -> Path:
    for name in ("digits.apc", "run.json", "compare.json"):
        shutil.copy(digits / name, tmp_path)
    return tmp_path


def edit(path: Path, **changes: Any) -> Path:
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(changes)
    kept = {key: value for key, value in document.items() if value is not ...}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return path


def refused(*paths: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_sources(list(paths))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_in_any_order(folder: Path) -> None:
    names = ["run.json", "digits.apc", "compare.json"]
    for turn in range(3):
        found = read_sources([folder / name for name in names[turn:] + names[:turn]])
        assert found.path == folder / "digits.apc"
        assert found.run is not None and found.run["schema"] == "apc.run/1"
        assert found.comparison is not None and found.comparison["schema"] == "apc.compare/1"


def test_json_alone_finds_its_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)  # not where the name that was given leads
    assert read_sources([folder / "run.json"]).path == folder / "digits.apc"
    monkeypatch.chdir(folder)
    assert read_sources([Path("compare.json")]).path == Path("digits.apc")


def test_of_two_programs_of_that_name_it_is_the_one_that_ran(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = folder / "here"
    here.mkdir()
    program = apc.load(folder / "digits.apc")
    program.name = "another"
    apc.save(program, here / "digits.apc")
    monkeypatch.chdir(here)
    assert read_sources([folder / "run.json"]).path == folder / "digits.apc"


def test_a_program_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    (folder / "digits.apc").rename(folder / "moved.apc")
    assert "digits.apc, which is not there" in refused(folder / "run.json")
    assert read_sources([folder / "run.json", folder / "moved.apc"]).run is not None
    assert "name no program" in refused(edit(folder / "run.json", program=..., program_sha256=...))


def test_a_program_that_has_changed(folder: Path) -> None:
    program = apc.load(folder / "digits.apc")
    program.name = "another"
    apc.save(program, folder / "digits.apc")
    assert "SHA-256 differs" in refused(folder / "run.json")
    assert "other layers" in refused(edit(folder / "run.json", program_sha256=None, layers=[]), folder / "digits.apc")
    workload = {"model_sha256": "0" * 64}
    of_another = edit(folder / "compare.json", program_sha256=None, workload=workload)
    assert "another network" in refused(of_another, folder / "digits.apc")


def test_two_of_a_kind(folder: Path) -> None:
    shutil.copy(folder / "digits.apc", folder / "b.apc")
    assert "second program" in refused(folder / "digits.apc", folder / "b.apc")
    assert "second apc.run/1" in refused(folder / "run.json", folder / "run.json")


def test_what_is_no_source(folder: Path) -> None:
    text = folder / "notes.txt"
    for content, complaint in (
        ("hello", "neither an .apc program nor JSON"),
        ('{"schema": "apc.asm/1"}', "'apc.asm/1'"),
    ):
        text.write_text(content, encoding="utf-8")
        assert complaint in refused(text)
    for content in ("{}", "[]", '{"schema": ["apc.run/1"]}', "3"):
        text.write_text(content, encoding="utf-8")
        assert "names no schema" in refused(text)
    assert "cannot be read" in refused(folder / "absent.json")
    assert "no 'layers'" in refused(edit(folder / "run.json", layers=...))
    (folder / "digits.apc").write_bytes(b"PK" + bytes(100))
    assert "digits.apc" in refused(folder / "digits.apc")
    assert "not a whole" in refused(edit(folder / "compare.json", workload=3), folder / "digits.apc")
