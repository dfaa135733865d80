"""The demo's two halves at a small size; the command prints what it ran and what came out."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from examples import demo, digits


def captured() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=240, highlight=False), text


def test_digits_are_trained_compiled_run_and_compared(tmp_path: Path) -> None:
    console, text = captured()
    assert demo.demo_digits(tmp_path, console, digits.Settings(epochs=2, width=4), cache=tmp_path)
    printed = text.getvalue()
    assert "360 of 360 predictions are equal" in printed
    assert "check against onnxruntime: 0 of 3,600 elements differ" in printed
    assert "blocks.1.conv2" in printed and "energy per image" in printed
    assert (tmp_path / "digits.apc").is_file() and list(tmp_path.glob("digits-*.pt"))


def test_resnet18_is_compiled_run_and_checked(tmp_path: Path) -> None:
    console, text = captured()
    assert demo.demo_resnet18(tmp_path, console, size=32, width=4, classes=10)
    printed = text.getvalue()
    assert "check against reference: 0 of" in printed and "elements differ" in printed
    assert "31 layers" in printed and "layer4.1.conv2" not in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize(("good", "status", "verdict"), [(True, 0, "everything agrees"), (False, 1, "DIFFERENCES")])
def test_the_exit_status_tells_whether_all_agreed(
    good: bool, status: int, verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "demo_digits", lambda folder, console: True)
    monkeypatch.setattr(demo, "demo_resnet18", lambda folder, console: good)
    assert demo.main() == status
    assert verdict in capsys.readouterr().out
