"""`apc doctor`, on this installation and on broken ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from apc.cli import main
from apc.doctor import machine, self_test
from apc.doctor.findings import Finding, findings
from apc.doctor.packages import dependencies, own_packages

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "apc" / "schemas" / "apc.doctor.json").read_text(encoding="utf-8"))


def test_this_installation_is_well(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["healthy"]
    names = [item["name"] for item in document["findings"]]
    assert {"apc", "python", "ir", "simulator", "threads", "processor", "Numba cache", "targets"} <= set(names)
    assert names[-1] == "self-test" and "equals the reference in 24 values" in document["findings"][-1]["text"]


def test_lines_fit_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("ok", "lark", "1.3.1 (>=1.2)"), Finding("FAIL", "torch", "word " * 30, "do " * 40)]
    monkeypatch.setattr("apc.cli.doctor._findings", lambda: iter(found))
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == "ok    lark          1.3.1 (>=1.2)"
    assert sum("-> do" in line for line in lines) == 1 and lines[-1] == "1 broken, 0 to look at, 1 well"


@pytest.mark.parametrize(
    ("requirement", "status", "text"),
    [
        ("numpy>=2.0", "ok", "(>=2.0)"),
        ("numpy>=99.1", "FAIL", "is too old, >=99.1 is needed"),
        ("no-such-package>=1", "FAIL", "is not installed (>=1 is needed)"),
        ("rich", "ok", ""),
    ],
)
def test_versions(requirement: str, status: str, text: str) -> None:
    (found,) = dependencies([requirement, 'pytest>=99; extra == "dev"'])
    assert found.status == status and text in found.text
    assert (found.remedy == "") == (status == "ok")


def test_a_package_that_cannot_be_imported_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lark", None)
    (found,) = dependencies(["lark>=1.2"])
    assert found.status == "FAIL" and "cannot be imported: ModuleNotFoundError" in found.text


def test_an_error_in_a_check_is_a_finding() -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("two\nlines")

    (found,) = findings("cache", broken)
    assert (found.status, found.name, found.text) == ("FAIL", "cache", "RuntimeError: two lines")


def test_own_packages_are_found_beside_apc() -> None:
    assert [(item.status, item.name) for item in own_packages()] == [("ok", n) for n in ("ir", "backends", "simulator")]


def test_it_works_where_apc_does_not(tmp_path: Path) -> None:
    """Where another `ir` hides apc's, and rich and lark are broken."""
    for name in ("ir", "rich", "lark"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('wrong one')\n")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import apc.cli; sys.exit(apc.cli.main(['doctor']))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (1, "")
    assert f"another 'ir' ({tmp_path / 'ir.py'}) hides the package" in " ".join(result.stdout.split())
    assert "Traceback" not in result.stdout and "cannot be imported: RuntimeError: wrong one" in result.stdout


def test_the_cache_of_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(machine, "HOME", tmp_path)
    cache = tmp_path / "ir" / "__pycache__"
    cache.mkdir(parents=True)
    (tmp_path / "ir" / "kernels.py").touch()
    (found,) = machine.kernel_cache()
    assert found.status == "ok" and found.text.startswith("0 compiled kernels, 0.0 MB") and "first run" in found.text
    for suffix in ("nbi", "1.nbc"):
        (cache / f"kernels.add-12.py311.{suffix}").write_bytes(bytes(1_500_000))
    (found,) = machine.kernel_cache()
    assert found == Finding("ok", "Numba cache", f"1 compiled kernels, 3.0 MB, in __pycache__ of {tmp_path}")
    os.utime(cache / "kernels.add-12.py311.nbi", (1, 1))
    (found,) = machine.kernel_cache()
    assert found.status == "warn" and "1 older than their source" in found.text
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(cache))
    (found,) = machine.kernel_cache()
    assert found.status == "ok" and found.text.endswith(f"in {cache}")


def test_a_cache_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "not" / "there"))
    monkeypatch.setattr(machine.os, "access", lambda folder, mode: folder != tmp_path)
    (found,) = machine.kernel_cache()
    assert found.status == "warn" and "not writable" in found.text and "NUMBA_CACHE_DIR" in found.remedy


def test_a_page_that_was_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apc.inspector.page.BUNDLE", tmp_path)
    (found,) = machine.report_page()
    assert found.status == "warn" and "missing" in found.text and "make" in found.remedy


def test_a_wrong_result_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation is given another image than the reference."""
    from apc.checks import ReferenceCheck

    plain = ReferenceCheck.add
    monkeypatch.setattr(
        ReferenceCheck, "add", lambda self, inputs, done: plain(self, {n: a[::-1] for n, a in inputs.items()}, done)
    )
    (found,) = self_test.self_test()
    assert found.status == "FAIL" and "does not compute what it should" in found.text
