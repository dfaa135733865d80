"""The page's program: when it is built again, what a wheel holds, and what is pinned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hatch_build
from tests.apc.inspector.browser import missing

ROOT = Path(__file__).parent.parent.parent.parent
WEB = ROOT / "apc" / "inspector" / "web"


@pytest.fixture()
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source folder with a current bundle."""
    web, bundle = tmp_path / "web", tmp_path / "bundle"
    (web / "src").mkdir(parents=True)
    bundle.mkdir()
    for path in (web / "src" / "main.tsx", web / "package-lock.json"):
        path.write_text("{}", encoding="utf-8")
        os.utime(path, (1_000, 1_000))
    for name in hatch_build.PARTS:
        (bundle / name).write_text("", encoding="utf-8")
        os.utime(bundle / name, (2_000, 2_000))
    monkeypatch.setattr(hatch_build, "WEB", web)
    monkeypatch.setattr(hatch_build, "BUNDLE", bundle)
    monkeypatch.setattr(hatch_build, "INSTALLED", web / "node_modules" / ".package-lock.json")
    return tmp_path


def npm(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int = 0) -> Path:
    """An npm that writes its arguments to a file, and ends with ``status``."""
    calls = folder / "calls.txt"
    calls.write_text("", encoding="utf-8")
    script = folder / "npm"
    script.write_text(f'#!/bin/sh\necho "$1" >> {calls}\nexit {status}\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return calls


def test_a_current_bundle_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = npm(folder, monkeypatch)
    assert hatch_build.build_bundle() == "" and calls.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("changed", ["main.tsx", "package-lock.json", "inspector.css"])
def test_a_change_is_built(changed: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = folder.rglob(changed)
    if changed == "inspector.css":
        path.unlink()
    else:
        os.utime(path, (3_000, 3_000))
    calls = npm(folder, monkeypatch)
    assert hatch_build.build_bundle() == ""
    assert calls.read_text(encoding="utf-8").split() == ["ci", "run"]


def test_without_npm_or_its_registry_all_else_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bundle" / "inspector.js").unlink()
    calls = npm(folder, monkeypatch, status=1)
    assert "registry" in hatch_build.build_bundle() and calls.read_text(encoding="utf-8").split() == ["ci"]
    monkeypatch.setenv("PATH", str(folder / "nowhere"))
    assert "npm is missing" in hatch_build.build_bundle()


def test_sources_that_do_not_compile_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bundle" / "inspector.js").unlink()
    (folder / "web" / "node_modules").mkdir()
    (folder / "web" / "node_modules" / ".package-lock.json").write_text("", encoding="utf-8")
    npm(folder, monkeypatch, status=1)
    with pytest.raises(subprocess.CalledProcessError):
        hatch_build.build_bundle()


def test_versions_are_exact() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = {**package["dependencies"], **package["devDependencies"]}
    assert wanted == {name: lock[f"node_modules/{name}"]["version"] for name in wanted}
    assert all("integrity" in entry for name, entry in lock.items() if name)


def test_a_wheel_has_the_bundle_and_not_its_sources(tmp_path: Path) -> None:
    if missing():
        pytest.skip(missing())
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"apc/inspector/bundle/{name}" for name in hatch_build.PARTS} <= set(names)
    assert not [name for name in names if "/web/" in name or "node_modules" in name]
    assert "apc/inspector/page.py" in names and "apc/schemas/apc.report.json" in names
