import io
import json

import numpy as np
import pytest

from apc.cli import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_emit_json_puts_the_schema_first_and_takes_numpy(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit_json("apc.test/1", {"a": np.int64(3), "b": np.array([1.5, 2.0]), "c": {"d": None}})
    out = capsys.readouterr().out
    assert json.loads(out) == {"schema": "apc.test/1", "a": 3, "b": [1.5, 2.0], "c": {"d": None}}
    assert out.startswith('{\n  "schema": "apc.test/1",') and out.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), np.float64("inf"), object()])
def test_emit_json_refuses_what_is_not_json(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((ValueError, TypeError)):
        console.emit_json("apc.test/1", {"a": value})
    assert capsys.readouterr().out == ""


def test_messages_go_to_stderr_unstyled_and_unbroken(capsys: pytest.CaptureFixture[str]) -> None:
    console.warn("layer [red] " + "x" * 500)
    console.log("done")
    assert capsys.readouterr() == ("", "apc: warning: layer [red] " + "x" * 500 + "\napc: done\n")


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("simulating") as update:
        update(1, 2, "conv1")
    assert capsys.readouterr() == ("", "")


def test_progress_shows_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with console.progress("simulating") as update:
        update(1, 2, "conv1")
    assert "simulating conv1" in terminal.getvalue()
