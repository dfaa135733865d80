"""What commands print on terminals of 80 and of 120 columns, and where there is none, against tests/golden/terminal/.

`APC_GOLDEN=write pytest tests/apc/cli/test_terminal.py` writes the files anew: read what changed.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from apc.cli import main
from tests.apc.cli.terminal import plain, printed
from tests.workspace import workspace

FOLDER = Path(__file__).parents[2] / "golden" / "terminal"
COMMANDS = {
    "compile": "compile digits.onnx -o again.apc",
    "ablate": "compile digits.onnx --passes cse --ablate",
    "quantize": "quantize float.onnx -o q.onnx --calibration inputs.npz",
    "run": "run digits.apc --input few.npz --check reference",
    "faults": "run digits.apc --input few.npz --faults position-4.6e-5 --trials 2",
    "compare": "compare digits.apc --against crossbar-rram-22nm crossbar-isaac --factor 2 --top 3",
    "targets": "targets",
    "target": "targets show rtm-ap-published",
}


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is measured is 0 s, and lines break where they did."""
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace, with few.npz: its first four images."""
    import numpy as np

    folder = workspace(tmp_path_factory.mktemp("terminal"))
    np.savez(folder / "few.npz", input=np.load(folder / "digits_test.npz")["input"][:4])
    return folder


def compared(name: str, text: str) -> None:
    text = re.sub(r"[\d,]+ bytes, compiled", "N bytes, compiled", text)  # which depend on zlib's version
    path = FOLDER / f"{name}.txt"
    if os.environ.get("APC_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_on_a_terminal(name: str, width: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = printed(monkeypatch, width, *shlex.split(COMMANDS[name]))
    assert max(map(len, text.splitlines())) <= width
    compared(f"{name}-{width}", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_piped(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No colours, no broken lines."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert main(shlex.split(COMMANDS[name])) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    compared(f"{name}-piped", plain(out))
