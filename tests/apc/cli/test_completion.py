"""The completion scripts: bash's is sourced and asked, the others are looked at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from apc.cli import COMMANDS, main
from apc.fault_file import fault_preset_names
from apc.target_files import ARRAYS, TARGETS, names_of
from backends.target import preset_names

ASK = """
source "$1"
shift
COMP_WORDS=(apc "$@")
COMP_CWORD=$#
COMPREPLY=()
$(complete -p apc | sed 's/.*-F \\([^ ]*\\).*/\\1/') apc "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bash's; beside it a folder `here` with one file, net.onnx."""
    from apc.cli.completion import script

    folder = tmp_path_factory.mktemp("completion")
    (folder / "here").mkdir()
    (folder / "here" / "net.onnx").touch()
    path = folder / "apc.bash"
    path.write_text(script("bash"), encoding="utf-8")
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (["co"], {name for name in COMMANDS if name.startswith("co")}),
        (["run", "--che"], {"--check"}),
        (["run", "a.apc", "--check", ""], {"reference", "onnxruntime"}),
        (["run", "a.apc", "--faults", "po"], {name for name in fault_preset_names() if name.startswith("po")}),
        (["compile", "--target", "rtm"], set(preset_names())),
        (["compare", "a.apc", "--against", "acim"], {name for name in names_of(ARRAYS) if name.startswith("acim")}),
        (["targets", "show", ""], {*names_of(TARGETS), "net.onnx"}),
        (["compile", "ne"], {"net.onnx"}),
        (["compile", "m.onnx", "--print-after", "til"], {"tiling"}),
        (["run", "a.apc", "--input", "ne"], {"net.onnx"}),
        (["completion", "z"], {"zsh"}),
    ],
)
def test_bash_completes(words: list[str], completions: set[str], script: Path) -> None:
    found = subprocess.run(
        ["bash", "-c", ASK, "bash", str(script), *words],
        cwd=script.parent / "here",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert set(found.stdout.split()) == completions, found.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_script_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == "" and all(name in out for name in (*COMMANDS, "crossbar-isaac"))


def test_other_shells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err
