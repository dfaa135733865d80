"""The progress bar: what it shows on a terminal, and that nothing is shown elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rich.progress import Progress as Bar

from apc import progress
from tests.apc.cli.terminal import ESCAPES, Terminal, terminal


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("simulating") as update:
        update(1, 2, "conv1")
    assert capsys.readouterr() == ("", "")


def frames(shown: Terminal) -> list[str]:
    """What a progress bar showed, frame by frame, without the bar itself."""
    lines = [line for line in ESCAPES.sub("", shown.getvalue()).replace("\r", "\n").split("\n") if line.strip()]
    return [" ".join(re.sub(r"[━╸╺]+", "|", line).replace("|", " ").split()) for line in lines]


class Clock:
    """The time that progress bars see, and the bars."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.bars: list[Bar] = []

    def make(self, *columns: Any, **options: Any) -> Bar:
        self.bars.append(Bar(*columns, **options, get_time=lambda: self.now_s, auto_refresh=False))
        return self.bars[-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "Bar", clock.make)
    return clock


def test_progress_tells_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    shown = terminal(monkeypatch, 100, "stderr")
    with progress.progress("simulating") as update:
        for now_s, step in (
            (5.0, (0, 0, "preparing")),
            (10.0, (0, 40, "conv1")),
            (20.0, (10, 40, "conv2")),  # 1 s each
            (100.0, (20, 40, "fc")),  # 90 s for 20
            (101.0, (0, 0, "checking")),
        ):
            clock.now_s = now_s
            update(*step)
            clock.now_s += 1
            clock.bars[-1].refresh()
    assert frames(shown)[1:6] == [
        "preparing 0:06",
        "simulating conv1 0/40 0:11",
        "simulating conv2 10/40 0:21 0:29 left",
        "simulating fc 20/40 1:41 1:29 left",
        "checking 1:42",
    ]


def test_progress_fits_narrow_terminals(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    shown = terminal(monkeypatch, 80, "stderr")
    with progress.progress("simulating") as update:
        clock.now_s = 5000.0
        update(0, 120, "[a] very.long.name.of.a.layer.that.nobody.would.ever.choose")
        clock.now_s = 9000.0
        update(100, 120, "[a] very.long.name.of.a.layer.that.nobody.would.ever.choose")
    assert frames(shown)[-1] == "simulating [a] very.long.name.of.… 100/120 2:30:00 13:20 left"
    assert max(len(line) for line in ESCAPES.sub("", shown.getvalue()).replace("\r", "\n").split("\n")) <= 80


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_progress_is_silent_on_a_terminal_that_cannot_draw(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch, 80, "stderr", TERM=term)
    with progress.progress("simulating") as update:
        update(1, 2, "")
    assert shown.getvalue() == ""


def test_progress_says_when_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    from numba.core import event

    shown = terminal(monkeypatch, 80, "stderr")
    with progress.progress("simulating"), event.trigger_event("numba:compile"):
        pass
    assert frames(shown)[-1].startswith("compiling kernels (only once)")


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text
