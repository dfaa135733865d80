"""Macro and micro listings of `apc inspect`, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from apc.cycles import instruction_cycles
from apc.report.inspection import Window, phase_ranges
from backends.target import Target
from ir.counts import distinct_signatures, searched_fields, static_counts
from ir.disassembler import instruction_lines
from ir.expand import (
    Broadcast,
    MicroOp,
    Receive,
    Shift,
    SymbolicOp,
    Write,
    expand,
    expand_instruction,
    operand_fields,
)
from ir.isa import B_SIGNED, GATHERING, Field, Op, gather_index
from ir.operand_text import PAIRS, SINGLES
from ir.program import Program, Tile


def macro_records(program: Program, window: Window) -> list[dict[str, Any]]:
    """One record an instruction: address, phase, opcode, operands, immediate, text, exact passes, shifts and cycles."""
    target, tile = Target.from_table(program.target), window.tile
    counts = static_counts(
        tile,
        source_fields=searched_fields(tile, program.tensors),
        search_or=target.features.search_or,
        columns=target.array.columns,
    )
    cycles = instruction_cycles(tile, counts, target)
    phases = {start: name for name, start in tile.phases}
    phase = next((name for name, start, stop in phase_ranges(tile) if start < window.start < stop), "")
    records = []
    lines = instruction_lines(tile, window.start, window.stop)
    for address, line in enumerate(lines, window.start):
        record = tile.instructions[address]
        phase = phases.get(address, phase)
        records.append(
            {
                "address": address,
                "phase": phase,
                "opcode": Op(int(record["op"])).name.lower(),
                "operands": {name: _field_record(field) for name, field in operand_fields(record).items()},
                **_immediate(record, tile),
                "text": line,
                "search_passes": int(counts.searches[address]),
                "write_passes": int(counts.writes[address]),
                "shift_steps": int(counts.shift_steps[address]),
                "source_search_passes": int(counts.source_searches[address]),
                "source_shift_steps": int(counts.source_shift_steps[address]),
                "cycles": int(cycles[address]),
            }
        )
    return records


def _field_record(field: Field) -> dict[str, Any]:
    return {
        "column": field.column,
        "domain": field.domain,
        "width": field.width,
        "signed": field.signed,
        "across": field.across,
    }


def _immediate(record: np.void, tile: Tile) -> dict[str, Any]:
    op, index = Op(int(record["op"])), int(record["imm"])
    if op in SINGLES:
        return {"constants": tile.constants[index : index + 1].tolist()}
    if op in PAIRS:
        return {"constants": tile.constants[index : index + 2].tolist()}
    if op in GATHERING:
        tensor, channel, row_map, pad_value = tile.gathers[gather_index(record)].tolist()
        gather = {"tensor": tensor, "channel": channel, "row_map": row_map, "pad_value": pad_value}
        taken = {"width": int(record["b_width"]), "signed": bool(record["flags"] & B_SIGNED)}
        return {"gather": gather, **({"broadcast": taken} if op == Op.MAC else {})}
    if op == Op.EXTEND:
        return {"from_width": int(record["a_width"])}
    return {}


@dataclass(frozen=True)
class Expansion:
    """``steps``: the micro-operations of the instruction at ``address``; ``text``: its assembly line. The last one of
    a tile may be the rewinding: ``address`` is then the number of instructions."""

    address: int
    text: str
    steps: list[MicroOp]


def micro_expansions(program: Program, window: Window) -> list[Expansion]:
    """The instructions of a window as micro-operations with real cells and shifts, rewinding included where the
    window reaches the tile's end."""
    target, tile = Target.from_table(program.target), window.tile
    offsets = _offsets_before(tile, window.start, target.array.columns, target.features.search_or)
    expansions = []
    lines = instruction_lines(tile, window.start, window.stop)
    for address, line in enumerate(lines, window.start):
        steps = expand_instruction(tile.instructions[address], tile, target.features.search_or, offsets)
        expansions.append(Expansion(address, line, steps))
    if window.stop == len(tile.instructions):
        rewinds: list[MicroOp] = [Shift(column, -offset) for column, offset in enumerate(offsets) if offset]
        expansions.append(Expansion(window.stop, f"0x{window.stop:04x}  rewind", rewinds))
    return expansions


def _offsets_before(tile: Tile, start: int, columns: int, search_or: bool) -> list[int]:
    """The domain at the port of every column before instruction ``start``: where the last access left it."""
    before = Tile(tile.instructions[:start], tile.constants, tile.gathers)
    signatures, kinds = distinct_signatures(before)
    touched = [_last_touches(expand(sig, search_or)) for sig in signatures]
    offsets = [0] * columns
    for record, kind in zip(before.instructions, kinds.tolist(), strict=True):
        fields = operand_fields(record)
        for operand, bits in touched[kind].items():
            for bit in bits:
                column, domain = fields[operand].cell(bit)
                offsets[column] = domain
    return offsets


def _last_touches(ops: Iterable[SymbolicOp]) -> dict[str, list[int]]:
    """Operand -> its bits that the micro-operations touch, in the order of their last touch."""
    touched: dict[str, dict[int, None]] = {"a": {}, "b": {}, "r": {}}
    for op in ops:
        cells = () if isinstance(op, Receive | Broadcast) else op.values if isinstance(op, Write) else op.key
        for (name, bit), _ in cells:
            if name in touched:
                touched[name].pop(bit, None)
                touched[name][bit] = None
    return {name: list(bits) for name, bits in touched.items() if bits}
