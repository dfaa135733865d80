"""docs/isa.md: the instruction set, from the table of opcodes, the derived look-up tables and assembled examples.

python -m apc.report.isa_page docs/isa.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from apc.files import atomic_write
from apc.report.inspection_text import micro_text
from apc.report.machine_page import target_lines
from apc.report.markdown import table
from backends.target import load_target
from ir import isa
from ir.assembly import parse_program
from ir.disassembler import instruction_lines
from ir.expand import Signature, Step, expand_instruction, signature, steps
from ir.isa import FRESH, OPERANDS, RECORD, RECORD_BITS, Op
from ir.lut import Bits
from ir.program import Tile

TARGET = "rtm-ap-published"

EXAMPLES: dict[Op, tuple[str, ...]] = {
    Op.CONST: ("const c8.d0:3 #5",),
    Op.COPY: ("copy c8.d0:3s c6.d0:2s",),
    Op.ADD: ("add c8.d0:3 c6.d0:2", "add c8.d0:3 c6.d0:2 fresh"),
    Op.SUB: ("sub c8.d0:3 c6.d0:2", "sub c8.d0:3 c6.d0:2 fresh"),
    Op.ADDO: ("addo c8.d0:3 c6.d0:2 c7.d0:2", "addo c8.d0:3 c6.d0:2 c7.d0:2 fresh"),
    Op.SUBO: ("subo c8.d0:3s c6.d0:2 c7.d0:2", "subo c8.d0:3 c6.d0:2 c7.d0:2 fresh"),
    Op.ADDC: ("addc c8.d0:3 #2",),
    Op.EXTEND: ("extend c8.d0:4s from=2",),
    Op.MAX: ("max c8.d0:2 c6.d0:2",),
    Op.CLAMP: ("clamp c8.d0:2 c6.d0:3s #0,3",),
    Op.STEP: ("step c8.d0:2 c6.d0:3 #2,1",),
    Op.GATHER: ("gather c8.d0:2 t0[0] map=0 pad=0", "gather c8.d0:2 t0[0] map=0 pad=0 fresh"),
    Op.MAC: ("mac c8.d0:3 c6.d0:1 t0[0] map=1 pad=0 x=u2",),
}
"""An example or two of every opcode, the second with R_FRESH."""

HEAD = """\
# Instruction set

Written by `python -m apc.report.isa_page docs/isa.md` from `ir/isa.py`, `ir/tables.py` and `ir/lut.py`; a test compares
it. How instructions are written as text: [assembly](assembly.md); how they are packed for the controller:
[encoding](encoding.md); what micro-operations cost: [machine](machine.md).

A *field* is an integer in every row of an array, its least significant bit first: **along** a nanowire (`c5.d4:6` is 6
bits in column 5 from domain 4 on) or **across** columns (`c5.d4:6x`: domain 4 of columns 5 to 10); `s` means signed.
The destination `r` comes first. Arithmetic is modulo 2^width of `r`; narrower operands are extended, by their sign
where they are signed. Columns 0, 1 and 2 are the flags C (carry), F and G.

Every instruction is a fixed sequence of micro-operations. `SEARCH` tags the rows whose cells hold the key's bits,
`SEARCH-OR` tags those too, `WRITE` puts bits into the tagged rows; `SHIFT` comes before a cell that is not at its port.
All rows do this at once, so time does not depend on how many there are. The passes of a bit step are **derived** from
its truth table: the states that change, merged where one search can match several, in an order in which no pass lands
in a state that a later one matches. What is written is what changes.
"""

FRESH_NOTE = """\
`R_FRESH` (`fresh` in assembly) says that r, or its top bit, holds nothing of use. A signed value v is then held as
v + 2^(width - 1), which never needs its sign extended ([assembly](assembly.md#instructions) has the five cases).
"""


def isa_page() -> str:
    """The page, with a newline at its end."""
    parts = [HEAD, "## Opcodes", _opcodes(), "## The record", *_record()]
    for op in Op:
        parts += [f"## {op.name}", *_section(op)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def meanings() -> dict[Op, str]:
    """What the comment beside each opcode in ``ir.isa.Op`` says."""
    found = re.findall(r"^ +(\w+) = \d+  # (.*)$", inspect.getsource(Op), re.MULTILINE)
    return {Op[name]: " ".join(meaning.split()) for name, meaning in found}


def _opcodes() -> str:
    """One line an opcode."""
    rows = []
    for op, meaning in meanings().items():
        letters, immediate = OPERANDS[op]
        operands = ", ".join(f"`{name}`" for name in letters + "#" * immediate)
        link = f"[`{op.name}`](#{op.name.lower()})"
        rows.append((str(op.value), link, operands, f"`{meaning}`", "yes" if op in FRESH else ""))
    return table(("code", "opcode", "operands", "meaning", "may be fresh"), rows)


def _record() -> Iterator[str]:
    yield f"{RECORD_BITS} bits, little endian. Operands that an opcode does not use are zero."
    offset, rows = 0, []
    for name in RECORD.names or ():
        rows.append((f"`{name}`", str(offset), str(8 * RECORD[name].itemsize)))
        offset += RECORD[name].itemsize
    yield table(("part", "byte", "bits"), rows)
    yield "Bits of `flags`:"
    names = ("A_SIGNED", "B_SIGNED", "R_SIGNED", "A_ACROSS", "B_ACROSS", "R_ACROSS", "R_FRESH")
    values = vars(isa)
    yield table(("flag", "value"), [(f"`{name}`", str(values[name])) for name in names])
    yield FRESH_NOTE


def _section(op: Op) -> Iterator[str]:
    """Meaning, and for each example its text, its passes by bit and its micro-operations."""
    yield f"`{meanings()[op]}`"
    for text in EXAMPLES[op]:
        tile = assembled(text)
        sig = signature(tile.instructions[0], tile.constants)
        (line,) = instruction_lines(tile, 0, 1)
        yield f"### `{' '.join(line.split()[1:])}`"
        yield _passes(sig)
        yield "Its look-up tables, each where it is used first:"
        yield table(("step", "columns", "search", "write"), list(_tables(sig)))
        yield "Its micro-operations, with every column at domain 0 before:"
        yield "\n".join(("```text", *_micro_operations(tile), "```"))


@cache
def assembled(text: str) -> Tile:
    """A tile of this one instruction."""
    target = load_target(TARGET)
    lines = [
        *("format 1", 'program "example"', f'model "{"0" * 64}"', 'level "O0"', *target_lines(target)),
        *('tensor t0 "x" shape 1x1x1 from input', "  channel u2"),
        *('tensor t1 "y" shape 1x1x1 from layer 0', "  channel c8.d0:2 tile 0"),
        *('input "x" t0 shape [1, 1, 1, 1] uint8 u2 in [0, 3]', 'output "y" t1 shape [1, 1, 1, 1] int64 u2 in [0, 3]'),
        *('layer 0 "layer" op "Identity" -> t1', "  row_map 0 stride 1 1 offset 0 0"),
        *("  row_map 1 stride 0 0 offset 0 0", "  tile 0", text),
    ]
    return parse_program("\n".join(lines), "isa_page").layers[0].tiles[0]


def _micro_operations(tile: Tile) -> Iterator[str]:
    """Numbered, without OR-ed searches."""
    offsets = [0] * load_target(TARGET).array.columns
    for number, op in enumerate(expand_instruction(tile.instructions[0], tile, False, offsets)):
        yield f"{number:>3}  {micro_text(op)}"


def _passes(sig: Signature) -> str:
    """Search and write passes by bit of r (or of a, where only a is looked at), with one search a pass and OR-ed."""
    rows = []
    for label, search_or in (("one search a pass", False), ("`search_or`", True)):
        counts: dict[str, list[int]] = {}
        for step in steps(sig, search_or):
            at = counts.setdefault(_place(step), [0, 0])
            at[0] += step.table.searches
            at[1] += step.table.writes
        total = [sum(column) for column in zip(*counts.values(), strict=True)]
        rows.append((label, counts | {"together": total}))
    headings = list(rows[0][1])
    cells = [(label, *(f"{counts[name][0]} + {counts[name][1]}" for name in headings)) for label, counts in rows]
    return table(("searches + writes", *headings), cells)


def _place(step: Step) -> str:
    """Which bit a step is about: of r, else of a, else of none."""
    for name in ("r", "a"):
        if name in step.cells and (name in step.table.touched or step.receive is not None):
            return f"bit {step.cells[name][1]}"
    return "flags"


def _tables(sig: Signature) -> Iterator[tuple[str, str, str, str]]:
    """Every pass of every table that differs from those before: (step, its cells, search, write)."""
    seen = set()
    for step in steps(sig, search_or=False):
        if step.table in seen:
            continue
        seen.add(step.table)
        where = _place(step), _where(step)
        for item in step.table.passes:
            searches = " or ".join(f"`{_bits(search)}`" for search in item.searches)
            yield *where, searches or "rows that received a 1", f"`{_bits(item.writes)}`"
            where = "", ""


def _where(step: Step) -> str:
    """The operand bits that a table's columns stand for."""
    cells = ((name, step.cells[name]) for name in "abr" if name in step.table.touched)
    return ", ".join(f"{name} = {operand}[{bit}]" for name, (operand, bit) in cells)


def _bits(bits: Bits) -> str:
    return " ".join(f"{name}={bit}" for name, bit in bits)


if __name__ == "__main__":
    with atomic_write(Path(sys.argv[1])) as temporary:
        temporary.write_text(isa_page(), encoding="utf-8")
