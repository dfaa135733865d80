import argparse
import ast
import errno
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import apc.cli
from apc.cli import COMMANDS, main
from ir.errors import UserError

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], int]], None]:
    """Puts a command `run` with one argument in the place of the real one."""

    def install(run: Callable[[argparse.Namespace], int]) -> None:
        module = types.ModuleType("apc.cli.run")
        vars(module).update(
            NAME="run",
            HELP=COMMANDS["run"],
            DESCRIPTION="Runs.",
            EXAMPLES=(),
            FAILS_WHEN="",
            SEE_ALSO=(),
            add_arguments=lambda parser: parser.add_argument("--number", type=int),
            run=run,
        )
        monkeypatch.setitem(sys.modules, "apc.cli.run", module)

    return install


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} {line}" in text for name, line in COMMANDS.items())


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    out = capsys.readouterr().out
    assert out.startswith("apc ") and f", Python {sys.version.split()[0]}, " in out and out.count("\n") == 1


def test_every_command_is_a_module_that_agrees_with_the_list() -> None:
    for name, line in COMMANDS.items():
        tree = ast.parse((ROOT / "apc" / "cli" / f"{name}.py").read_text(encoding="utf-8"))
        constants = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert (constants["NAME"], constants["HELP"]) == (name, line)
        assert constants["DESCRIPTION"].strip() and "FAILS_WHEN" in constants
        assert {"add_arguments", "run"} <= functions


def test_the_exit_status_is_the_commands(fake: Callable[..., None]) -> None:
    fake(lambda args: args.number)
    assert main(["run", "--number", "1"]) == 1
    assert main(["run", "--number", "0"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"apc: error: name a command: {', '.join(COMMANDS)} (see `apc --help`)"),
        (["bake"], "apc: error: argument COMMAND: invalid choice: 'bake'"),
        (["--fast"], "apc: error: unrecognized arguments: --fast (see `apc --help`)"),
        (["run", "--number", "x"], "apc: error: argument --number: invalid int value: 'x' (see `apc run --help`)"),
        (["run", "--num", "1"], "apc: error: unrecognized arguments: --num 1 (see `apc --help`)"),
    ],
)
def test_usage_errors_are_one_line(
    arguments: list[str], message: str, fake: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(lambda args: 0)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(message) and err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("net.onnx: node 'a':\n  no"), "apc: error: net.onnx: node 'a': no\n"),
        (UserError("node '\x1b[2J'"), "apc: error: node '?[2J'\n"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "x.npz"),
            "apc: error: x.npz: No such file or directory\n",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "x.npz"), "apc: error: x.npz: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), "apc: error: No space left on device\n"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    error: Exception, message: str, fake: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(raising(error))
    assert main(["run"]) == 2
    assert capsys.readouterr() == ("", message)


def test_an_interrupt_is_status_130(fake: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    fake(raising(KeyboardInterrupt()))
    assert main(["run"]) == 130
    assert capsys.readouterr().err == "apc: interrupted\n"


@pytest.mark.parametrize(
    "defect", [ValueError("shape"), OSError("strange"), OSError(errno.EBADF, "Bad file descriptor")]
)
def test_defects_keep_their_traceback(defect: Exception, fake: Callable[..., None]) -> None:
    fake(raising(defect))
    with pytest.raises(type(defect)):
        main(["run"])


@pytest.mark.parametrize("arguments", [["targets"], ["targets", "--json"], ["targets", "show", "rtm-ap-published"]])
def test_a_reader_that_leaves_early_is_no_error(arguments: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "apc", *arguments]
    result = subprocess.run(command, cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write_end)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.parametrize("package", ["ir", "backends", "simulator"])
def test_a_namesake_of_a_package_is_named_in_one_line(package: str, tmp_path: Path) -> None:
    (tmp_path / f"{package}.py").write_text("raise SystemExit('wrong one')\n")
    script = f"import sys; import apc.cli; sys.path.insert(0, {str(tmp_path)!r}); sys.exit(apc.cli.main(['targets']))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"apc: error: another '{package}' ({tmp_path / package}.py) hides the package")
    assert result.stderr.count("\n") == 1


def test_the_module_runs_as_a_program() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "apc", "targets"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0 and "rtm-ap-published" in result.stdout
    assert apc.cli.main(["targets"]) == 0
