"""The screen of `apc inspect OUT.apc`: what it says is what the accounts say, and it stays one screen."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

import apc
from apc.accounting import Accounts
from apc.cli import main
from apc.report.overview import Cost, Overview, Row, as_json, measure
from apc.report.overview_text import MOST_LAYERS, sentence, show
from backends.target import load_target
from tests.programs import tiny_program
from tests.workspace import DIGITS


def screen(overview: Overview, width: int, encoding: str = "utf-8") -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    show(overview, Console(file=out, width=width, highlight=False))
    out.flush()
    return out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def deep_network(layers: int) -> Overview:
    """So many layers: later ones take more cycles, earlier ones more energy."""
    rows = [
        Row(i, f"layer{i % 4}.{i // 4}.downsample.0", "requantise", (64, 8, 8), 1000, 10 * i, 1000 * (i + 1),
            {"search": 1e-9, "write": 1e-7 / (i + 1), "shift": 2e-9, "control": 1e-12},
            {"ADD": 900 * (i + 1), "COPY": 100 * (i + 1)})
        for i in range(layers)
    ]  # fmt: skip
    parts = {part: sum(row.energy_J[part] for row in rows) for part in rows[0].energy_J}
    target = load_target("rtm-ap-published")
    program = tiny_program()
    program.target = target.as_table()
    return Overview(program, Path("some folder/deep.apc"), target, rows, {**parts, "total": sum(parts.values())}, 0.01)


@pytest.mark.parametrize("layers", [1, MOST_LAYERS, MOST_LAYERS + 1, 31, 200])
def test_it_is_one_screen(layers: int) -> None:
    overview = deep_network(layers)
    lines = screen(overview, 80).splitlines()
    assert len(lines) <= 40
    assert all(cell_len(line) <= 80 for line in lines if not line.startswith("  apc "))
    commands = [line.split("  # ")[0].strip() for line in lines if line.startswith("  apc ")]
    assert commands == [proposal.command for proposal in overview.proposals]  # whole, to be copied


def test_of_many_layers_the_costliest_are_shown() -> None:
    text = screen(deep_network(31), 80)
    shown = [line.split()[0] for line in text.splitlines() if "requantise" in line]
    assert len(shown) == MOST_LAYERS - 1
    assert shown[0] == "0" and shown[-1] == "30"
    assert f"{31 - len(shown)} more: --level layers" in text


def test_ascii_where_the_encoding_has_no_blocks() -> None:
    assert screen(deep_network(31), 80, "ascii").isascii()
    assert "█" in screen(deep_network(31), 80)


def test_measured_figures() -> None:
    program = apc.compile(DIGITS, level="O1")
    accounts = Accounts(program)
    overview = measure(accounts, Path("digits.apc"))
    assert overview.cycles == accounts.cycles(1)
    assert [row.cycles for row in overview.rows] == [sum(row.by_class.values()) for row in overview.rows]
    estimate = accounts.cost(1)
    assert overview.energy_J == estimate.energy_J() and overview.latency_s == estimate.latency_s()
    largest = max(((cost.name, part, value) for cost in estimate.layers for part, value in cost.energy_J.items()),
                  key=lambda item: item[2])  # fmt: skip
    assert overview.costs[0] == Cost("energy", *largest[:2], largest[2] / estimate.energy_J()["total"], largest[2])
    assert as_json(overview)["costs"][0]["what"] == largest[1]


def test_proposed_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    apc.save(apc.compile(DIGITS, level="O1"), "a b.apc")
    overview = measure(Accounts(apc.load("a b.apc")), Path("a b.apc"))
    assert 2 <= len(overview.proposals) <= 4
    for proposal in overview.proposals:
        words = shlex.split(proposal.command)
        assert words[0] == "apc"
        if words[1] != "report":  # which needs the page's bundle
            assert main(words[1:]) == 0
            assert capsys.readouterr().out


def test_proposals_follow_what_was_found() -> None:
    overview = deep_network(5)
    commands = [proposal.command for proposal in overview.proposals]
    assert [cost.layer[:8] for cost in overview.costs] == ["layer0.0", "layer1.0", "layer0.1"]
    assert commands[0] == "apc inspect 'some folder/deep.apc' --layer layer0.0.downsample.0 --level histogram"
    # which adds nothing up, unlike the next
    assert commands[1] == "apc explain 'some folder/deep.apc' --layer layer1.0.downsample.0 --output 0"
    assert commands[2] == "apc inspect 'some folder/deep.apc' --layer layer1.0.downsample.0 --level histogram"


def test_sentences() -> None:
    assert sentence(Cost("energy", "conv1", "write", 0.428, 1.33e-3)) == (
        "42.8% of the energy: writing bits in layer conv1, 1.33 mJ"
    )
    assert sentence(Cost("cycles", "conv1", "ADD", 0.5, 1234567)) == (
        "50.0% of the cycles: ADD instructions in layer conv1, 1,234,567 cycles"
    )


def test_a_program_without_layers() -> None:
    program = tiny_program()
    program.layers, program.tensors = [], program.tensors[:1]
    program.outputs = []
    assert "0 layers" in screen(measure(Accounts(program), Path("x.apc")), 80)


TINY = """\
tiny.apc  tiny
2 layers, 29 instructions for small: 1024 arrays of 64 rows, 16 columns, 32
domains
level -O0: lower, place{orientation=along}
one image: 3,487 cycles, 3.49 us; 9 additions for 6 nonzero weights

energy 30.6 nJ, an estimate: flips as expected of independent bits
 shift     ████████████████████████████▊     27.4 nJ  90%
 control   █▌                                1.39 nJ   5%
 write     █▏                                1.09 nJ   4%
 search    ▌                                  526 pJ   2%
 movement  ▏                                  153 pJ   1%
 leakage   ▏                                  753 fJ  <1%

layer        cycles              energy
0 conv  Conv ██▉         908 26% █████▊   12.8 nJ 42%
1 every Add  ████████ 2.58 k 74% ████████ 17.7 nJ 58%

biggest costs
  52.9% of the energy: shifting in layer every, 16.2 nJ
  36.8% of the energy: shifting in layer conv, 11.2 nJ
  17.8% of the cycles: MAC instructions in layer every, 622 cycles
where to look next
  apc inspect tiny.apc --layer every --level histogram
  apc explain tiny.apc --layer every --output 0  # how an output is summed
  apc inspect tiny.apc --layer conv --level histogram
  apc inspect tiny.apc --level layers  # exact counts of every layer
"""


def test_sentences_end_where_they_end() -> None:
    """However wide the console is: piped, it has 240 columns."""
    lines = screen(deep_network(5), 240).splitlines()
    sentences = [line for line in lines if " of the energy: " in line or " of the cycles: " in line]
    assert len(sentences) == 3 and all(line == line.rstrip() for line in sentences)


def test_the_screen_literally() -> None:
    program = tiny_program()
    program.target["name"] = "small"
    text = screen(measure(Accounts(program), Path("tiny.apc")), 80)
    assert [line.rstrip() for line in text.splitlines()] == TINY.splitlines()
