"""Imports go one way: ir <- backends, ir <- simulator, all of them <- apc; heavy libraries load late."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "ir": {"ir"},
    "backends": {"ir", "backends"},
    "simulator": {"ir", "simulator"},
    "apc": {"ir", "backends", "simulator", "apc"},
}
HEAVY = ["torch", "numba", "onnx", "onnxruntime", "onnxscript", "scipy", "sklearn", "matplotlib"]
FORBIDDEN_EVERYWHERE = {"tests", "benchmarks", "examples", "pytest", "hypothesis"}


def imported_packages(source: str, package: str) -> set[str]:
    """First names of all imports of a module in the top-level ``package``, wherever they stand in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(package if node.level else (node.module or "").split(".")[0])
    return names


def test_the_walk_sees_every_form_of_import() -> None:
    source = "import a.b, c\nfrom d.e import f\ndef g():\n    from .h import i\n    import j as k\n"
    assert imported_packages(source, "own") == {"a", "c", "d", "own", "j"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_they_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    forbidden = (set(MAY_IMPORT) - MAY_IMPORT[package]) | FORBIDDEN_EVERYWHERE
    wrong = {
        str(file.relative_to(ROOT)): sorted(found)
        for file in files
        if (found := imported_packages(file.read_text(encoding="utf-8"), package) & forbidden)
    }
    assert not wrong


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_folder_of_modules_is_a_package(package: str) -> None:
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_command_line_loads_nothing_heavy() -> None:
    result = python(f"import sys, apc.cli, apc\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))")
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_help_works_where_the_heavy_libraries_do_not() -> None:
    script = f"""
import sys
for name in {[*HEAVY, "numpy", "networkx", "rich", "lark"]!r}:
    sys.modules[name] = None  # makes its import fail
from apc.cli import main
sys.exit(main(["--help"]))
"""
    result = python(script)
    assert result.returncode == 0, result.stderr
    assert "compile" in result.stdout and "targets" in result.stdout
