import json

import numpy as np
import pytest
from rich.table import Table

from apc.cli import console
from tests.apc.cli.terminal import terminal


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
