import json
import re
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress
from rich.table import Table

from apc.cli import console
from apc.cli.kernels import announced
from tests.apc.cli.terminal import ESCAPES, Terminal, terminal


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


def frames(shown: Terminal) -> list[str]:
    """What a progress bar showed, frame by frame, without the bar itself."""
    lines = [line for line in ESCAPES.sub("", shown.getvalue()).replace("\r", "\n").split("\n") if line.strip()]
    return [" ".join(re.sub(r"[━╸╺]+", "|", line).replace("|", " ").split()) for line in lines]


class Clock:
    """The time that progress bars see, and the bars."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.bars: list[Progress] = []

    def make(self, *columns: Any, **options: Any) -> Progress:
        self.bars.append(Progress(*columns, **options, get_time=lambda: self.now_s, auto_refresh=False))
        return self.bars[-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console, "Progress", clock.make)
    return clock


def test_progress_tells_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    shown = terminal(monkeypatch, 100, "stderr")
    with console.progress("simulating") as update:
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
    with console.progress("simulating") as update:
        clock.now_s = 5000.0
        update(0, 120, "[a] very.long.name.of.a.layer.that.nobody.would.ever.choose")
        clock.now_s = 9000.0
        update(100, 120, "[a] very.long.name.of.a.layer.that.nobody.would.ever.choose")
    assert frames(shown)[-1] == "simulating [a] very.long.name.of.… 100/120 2:30:00 13:20 left"
    assert max(len(line) for line in ESCAPES.sub("", shown.getvalue()).replace("\r", "\n").split("\n")) <= 80


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_progress_is_silent_on_a_terminal_that_cannot_draw(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch, 80, "stderr", TERM=term)
    with console.progress("simulating") as update:
        update(1, 2)
    assert shown.getvalue() == ""


def test_progress_says_when_kernels_are_compiled(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    from numba.core import event

    shown = terminal(monkeypatch, 80, "stderr")
    with console.progress("simulating"), event.trigger_event("numba:compile"):
        pass
    assert frames(shown)[-1].startswith("compiling kernels (only once)")


def test_compilations_are_announced_while_they_are_listened_to() -> None:
    import numba

    said: list[str] = []
    with announced(lambda: said.append("now")):
        twice = numba.njit(lambda x: x + x)
        assert said == []
        assert twice(2) == 4 and said == ["now"]
        assert twice(3) == 6 and said == ["now"]
    assert numba.njit(lambda x: x - 1)(1) == 0 and said == ["now"]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00")])
def test_clock(seconds: float, text: str) -> None:
    assert console.clock(seconds) == text


LINE = "energy 12 nJ of layer1.0.downsample.quant and of another-layer"


def test_lines_break_between_words_and_keep_units() -> None:
    lines = console.wrapped(LINE, 40).splitlines()
    assert lines == ["energy 12 nJ of", "  layer1.0.downsample.quant and of", "  another-layer"]
    assert console.wrapped("  " + LINE, 10).splitlines()[:2] == ["  energy", "    12 nJ"]
    for width in range(10, 80):
        assert " ".join(console.wrapped(LINE, width).split()) == LINE
        assert "12 nJ" in console.wrapped(LINE, width)


def table() -> Table:
    table = Table()
    table.add_column("[red]", style="green", overflow="fold")
    table.add_row("x" * 60)
    return table


@pytest.mark.parametrize(("columns", "lines"), [(None, 1), ("300", 1), ("60", 2), ("5", 2), ("no", 1), ("0", 1)])
def test_columns_decide_where_nothing_is_a_terminal(
    columns: str | None, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    console.show(["word " * 13])
    assert len(capsys.readouterr().out.rstrip().splitlines()) == lines
    console.show([table(), "end"])
    out = capsys.readouterr().out
    assert "[red]" in out and "\x1b" not in out and out.endswith("\n\nend\n")
    assert sum("x" in line for line in out.splitlines()) == lines


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"FORCE_COLOR": "1"}, True)],
)
def test_colours(environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = terminal(monkeypatch, 80, **environment)
    console.show([table()])
    assert ("\x1b[32m" in shown.getvalue()) == coloured


def test_colours_that_are_forced_through_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.show([table()])
    assert "\x1b[32m" in capsys.readouterr().out
