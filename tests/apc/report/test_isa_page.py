"""docs/isa.md is current, and the micro-operations that it lists compute what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from apc.report.isa_page import EXAMPLES, isa_page, meanings
from ir.isa import FRESH, RECORD, Op

PAGE = (Path(__file__).parents[3] / "docs" / "isa.md").read_text(encoding="utf-8")
Cells = dict[str, int]

MEANING: dict[str, Callable[[int, int, int], int]] = {
    "const c8.d0:3 #5": lambda r, a, b: 5,
    "copy c8.d0:3s c6.d0:2s": lambda r, a, b: signed(a, 2),
    "add c8.d0:3 c6.d0:2": lambda r, a, b: r + a,
    "add c8.d0:3 c6.d0:2 fresh": lambda r, a, b: r % 4 + a,
    "sub c8.d0:3 c6.d0:2": lambda r, a, b: r - a,
    "sub c8.d0:3 c6.d0:2 fresh": lambda r, a, b: 4 + r % 4 - a,
    "addo c8.d0:3 c6.d0:2 c7.d0:2": lambda r, a, b: a + b,
    "addo c8.d0:3 c6.d0:2 c7.d0:2 fresh": lambda r, a, b: a + b,
    "subo c8.d0:3s c6.d0:2 c7.d0:2": lambda r, a, b: a - b,
    "subo c8.d0:3 c6.d0:2 c7.d0:2 fresh": lambda r, a, b: a - b + 4,
    "addc c8.d0:3 #2": lambda r, a, b: r + 2,
    "extend c8.d0:4s from=2": lambda r, a, b: signed(r % 4, 2),
    "max c8.d0:2 c6.d0:2": lambda r, a, b: max(r, a),
    "clamp c8.d0:2 c6.d0:3s #0,3": lambda r, a, b: min(max(signed(a, 3), 0), 3),
    "step c8.d0:2 c6.d0:3 #2,1": lambda r, a, b: 1 if a >= 2 else r,
}
"""What an instruction leaves in r, modulo 2^width, of r, a and b read as unsigned."""


def signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


def sections() -> Iterator[tuple[str, str]]:
    """(instruction, its text) of every example of the page."""
    for part in PAGE.split("\n### `")[1:]:
        title, _, text = part.partition("`\n")
        yield title, text.split("\n## ")[0]


def bits(key: str) -> Cells:
    return {cell: int(bit) for cell, bit in (pair.split("=") for pair in key.split())}


def execute(text: str, cells: Cells) -> None:
    """The listed micro-operations on one row, shifts checked against the domains that are named."""
    tagged, port = False, dict.fromkeys((6, 7, 8), 0)
    for line in text.split("```text\n")[1].split("```")[0].splitlines():
        kind, rest = line.split(maxsplit=2)[1:]
        if kind == "SHIFT":
            column, step = rest.split()
            port[int(column[1:])] += int(step)
            continue
        named = bits(rest)
        for cell in named:
            if place := re.fullmatch(r"c(\d+)\.d(\d+)", cell):
                assert port[int(place[1])] == int(place[2]), f"{line}: not at the port"
        if kind == "WRITE":
            cells.update(named if tagged else {})
        else:
            hit = all(cells[cell] == bit for cell, bit in named.items())
            tagged = hit or (kind == "SEARCH-OR" and tagged)


def spread(column: int, value: int) -> Cells:
    return {f"c{column}.d{bit}": value >> bit & 1 for bit in range(4)}


def test_the_page_is_current() -> None:
    assert isa_page() == PAGE, "python -m apc.report.isa_page docs/isa.md"


@pytest.mark.parametrize("instruction", MEANING)
def test_listed_micro_operations_do_what_the_instruction_means(instruction: str) -> None:
    text = dict(sections())[instruction]
    width = int(re.findall(r"c8\.d0:(\d)", instruction)[0])
    widths = [int(match) for match in re.findall(r"c[67]\.d0:(\d)", instruction)] + [1, 1]
    for r, a, b, flags in product(range(1 << width), range(1 << widths[0]), range(1 << widths[1]), (0, 1)):
        cells = spread(8, r) | spread(6, a) | spread(7, b) | dict.fromkeys("CFG", flags)
        execute(text, cells)
        found = sum(cells[f"c8.d{bit}"] << bit for bit in range(width))
        assert found == MEANING[instruction](r, a, b) % (1 << width), (r, a, b)


def test_passes_are_as_many_as_are_listed() -> None:
    for title, text in sections():
        together = re.findall(r"^\| one search a pass \|.*\| (\d+) \+ (\d+) \|$", text, re.MULTILINE)[0]
        listed = text.split("```text\n")[1]
        assert tuple(map(int, together)) == (len(re.findall("  SEARCH", listed)), len(re.findall("  WRITE", listed))), (
            title
        )


def test_every_opcode_has_its_meaning_and_examples() -> None:
    assert list(meanings()) == list(Op) and set(EXAMPLES) == set(Op)
    assert all(len(EXAMPLES[op]) == 2 for op in FRESH)
    assert {title for title, _ in sections()} == {
        " ".join(text.split()) for texts in EXAMPLES.values() for text in texts
    }
    for name in RECORD.names or ():
        assert f"| `{name}` |" in PAGE
