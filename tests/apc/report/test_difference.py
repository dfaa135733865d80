"""`apc diff`: every number against `apc compile`'s report, what decides, and the text literally."""

from __future__ import annotations

import io
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import apc
from apc.report.compilation import compile_report
from apc.report.difference import DECIDING_SHARE, MEASURES, difference
from apc.report.difference_text import _ratio, items
from ir.disassembler import instruction_lines
from ir.operand_text import PAIRS, SINGLES
from ir.program import Program
from tests.programs import tiny_program
from tests.workspace import DIGITS


@cache
def digits(level: str, override: str = "") -> Program:
    return apc.compile(DIGITS, level=level, overrides=[override] if override else [])


@cache
def report(level: str) -> dict[str, Any]:
    return compile_report(digits(level), 0.0, [])


@cache
def levels() -> dict[str, Any]:
    return difference(digits("O0"), digits("O1"))


def measured(entry: dict[str, Any], key: str) -> float:
    return entry[key]["total"] if key == "energy_estimate_J" else entry[key]


def test_measures_are_those_of_the_compiler() -> None:
    found = levels()
    for side, level in (("a", "O0"), ("b", "O1")):
        compiled = report(level)
        for key in MEASURES:
            assert found["totals"][key][side] == pytest.approx(measured(compiled["totals"], key), rel=1e-12)
            for row, layer in zip(found["layers"], compiled["layers"], strict=True):
                assert row["name"] == layer["name"]
                assert row[key][side] == pytest.approx(measured(layer, key), rel=1e-12)
    assert all(row[key]["ratio"] == row[key]["b"] / row[key]["a"] for row in found["layers"] for key in MEASURES
               if row[key]["a"])  # fmt: skip


def test_the_fewest_layers_decide() -> None:
    rows = levels()["layers"]
    changes = {row["name"]: abs(row["energy_estimate_J"]["b"] - row["energy_estimate_J"]["a"]) for row in rows}
    decide = [row["name"] for row in rows if row["decides"]]
    others = [change for name, change in changes.items() if name not in decide]
    assert 0 < len(decide) < len(rows)
    assert sum(changes[name] for name in decide) >= DECIDING_SHARE * sum(changes.values())
    assert min(changes[name] for name in decide) >= max(others)
    assert sum(sorted((changes[name] for name in decide), reverse=True)[:-1]) < DECIDING_SHARE * sum(changes.values())


def test_identical() -> None:
    found = difference(tiny_program(), tiny_program())
    assert found["identical"] and not found["program"] and not found["target"]
    assert all(row["same"] and not row["decides"] for row in found["layers"])
    assert list(items({"files": ["x.apc", "y.apc"], **found}, 80)) == [
        "A  x.apc",
        "B  y.apc",
        "the programs are identical",
    ]


def changed(**parts: Any) -> Program:
    program = deepcopy(tiny_program())
    vars(program).update(parts)
    return program


def test_one_constant_is_found() -> None:
    other = tiny_program()
    other.layers[1].tiles[0].constants[0] += 1
    found = difference(tiny_program(), other)
    assert not found["identical"]
    assert [row["same"] for row in found["layers"]] == [True, False]


def test_the_first_instruction_that_differs() -> None:
    """Told by what an instruction does: where its constants and gathers stand in the tables makes no difference."""
    moved = tiny_program()
    tile = moved.layers[1].tiles[0]
    tile.constants = np.concatenate([[77], tile.constants])
    tile.instructions["imm"][np.isin(tile.instructions["op"], (*SINGLES, *PAIRS))] += 1
    assert [row["first_difference"] for row in difference(tiny_program(), moved)["layers"]] == [None, None]
    tile.constants[-1] += 1
    (row,) = [row for row in difference(tiny_program(), moved)["layers"] if row["first_difference"]]
    found, codes = row["first_difference"], [tiny_program().layers[1].tiles[0], tile]
    texts = [list(instruction_lines(code, 0, len(code.instructions))) for code in codes]
    first = next(i for i, (a, b) in enumerate(zip(*texts, strict=True)) if a != b)
    assert (found["tile"], found["address"]) == (0, first)
    assert [found["a"], found["b"]] == [text[first].split(maxsplit=1)[1] for text in texts]


def test_a_tile_that_only_one_has() -> None:
    fewer = tiny_program()
    fewer.layers[0].tiles = fewer.layers[0].tiles[:1]
    fewer.tensors[1].fields["tile"] = 0
    found = difference(tiny_program(), fewer)["layers"][0]["first_difference"]
    assert (found["tile"], found["address"], found["b"]) == (1, 0, None) and found["a"]


def test_ratios() -> None:
    pairs = [(3, 3), (50, 51), (1, 2700), (1000, 1), (0, 5)]
    ratios = [_ratio({"a": a, "b": b, "ratio": b / a if a else None}) for a, b in pairs]
    assert ratios == ["=", "1.02x", "2,700x", "0.0010x", "new"]


def test_a_field_that_moved_is_found() -> None:
    other = tiny_program()
    other.tensors[2].fields["width"][1] -= 1
    assert not difference(tiny_program(), other)["identical"]


def test_what_was_compiled_otherwise() -> None:
    found = difference(tiny_program(), changed(level="O2", passes=["lower", "cse"], model_sha256="00" * 32))
    lines = list(items({"files": ["x", "y"], **found}, 80))
    assert lines[2:6] == [
        "other models, the same target",
        "level: O0 -> O2",
        "passes of A only: place{orientation=along}",
        "passes of B only: cse",
    ]


def test_target_figures() -> None:
    found = difference(digits("O1"), digits("O1", "write_bit_J=1e-12"))
    assert found["target"] == [{"key": "energy.write_bit_J", "a": 6.9e-13, "b": 1e-12}]
    assert found["totals"]["cycles"]["ratio"] == 1.0
    assert found["totals"]["energy_estimate_J"]["ratio"] > 1
    assert all(row["same"] for row in found["layers"])
    text = [line for line in items({"files": ["x", "y"], **found}, 80) if isinstance(line, str)]
    assert "energy.write_bit_J: 6.9e-13 -> 1e-12" in text


def test_layers_that_only_one_has() -> None:
    other = tiny_program()
    other.layers[0].name = "first"
    rows = difference(tiny_program(), other)["layers"]
    assert [(row["name"], row["only"]) for row in rows] == [("first", "b"), ("conv", "a"), ("every", None)]
    assert rows[0]["cycles"]["a"] is None and rows[0]["cycles"]["ratio"] is None
    assert rows[0]["cycles"]["b"] == rows[1]["cycles"]["a"]


def test_layers_of_one_name_are_told_apart() -> None:
    twice = [tiny_program(), tiny_program()]
    for program in twice:
        program.layers[1].name = "conv"
    assert [row["name"] for row in difference(*twice)["layers"]] == ["conv", "conv (2)"]


GOLDEN = """\
A  x.apc
B  y.apc
the same model, the same target
level: O0 -> O2
one image                      A        B  B / A
────────────────────────────────────────────────
instructions                  29       28  0.97x
additions                      9        7  0.78x
search passes                571      467  0.82x
written bits (estimate)    1,577    1,528  0.97x
shift steps                  664      598  0.90x
cycles                     3,487    2,847  0.82x
energy (estimate)        30.6 nJ  27.8 nJ  0.91x
   layer, B / A  instr.   adds  searches  written  shifts  cycles  energy
─────────────────────────────────────────────────────────────────────────
*  every          0.92x  0.33x     0.70x    0.94x   0.82x   0.75x   0.85x
* decides: these layers make up 80% of the differences of energy
1 other layer is the same in both
sums: weights in the rows -> along wires in every
every, tile 0: instruction 0x000c is the first that differs
  A  mac     c7.d0:8s      c13.d0:3s     t1[0] map=1 pad=0 x=u4
  B  no more instructions
"""


def test_text() -> None:
    other = changed(level="O2")
    tile = other.layers[1].tiles[0]
    tile.instructions = tile.instructions[:-1]
    other.layers[1].statistics["adds"] = 1
    found = {"files": ["x.apc", "y.apc"], **difference(tiny_program(), other)}
    console = Console(width=80, file=io.StringIO(), record=True)
    for item in items(found, 80):
        console.print(item)
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert [line for line in lines if line] == GOLDEN.splitlines()
