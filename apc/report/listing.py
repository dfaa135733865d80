"""Macro and micro listings of `apc inspect`, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apc.cycles import instruction_cycles
from apc.report.inspection import Window
from apc.report.names import Names
from backends.target import Target
from ir.counts import distinct_signatures, tile_counts
from ir.disassembler import instruction_lines
from ir.expand import (
    Broadcast,
    Cell,
    MicroOp,
    Receive,
    Shift,
    Signature,
    SymbolicOp,
    Write,
    expand,
    expand_instruction,
    operand_fields,
    signature,
    steps,
)
from ir.isa import B_SIGNED, GATHERING, Field, Op, gather_index
from ir.operand_text import PAIRS, SINGLES
from ir.program import Program, Tile


def macro_records(
    program: Program, window: Window, lines: Iterable[tuple[int, str]] | None = None
) -> list[dict[str, Any]]:
    """One record an instruction: address, phase, opcode, operands, their names, immediate, text, interval of the
    result, exact passes, shifts and cycles. ``lines``: address and assembly text of those to list (all of the window).
    """
    target, tile = Target.from_table(program.target), window.tile
    names = Names(program, window.layer_index, window.tile_index)
    counts = tile_counts(program, tile)
    cycles = instruction_cycles(tile, counts, target)
    if lines is None:
        lines = enumerate(instruction_lines(tile, window.start, window.stop), window.start)
    starts = [start for _, start in tile.phases]
    records = []
    for address, text in lines:
        record = tile.instructions[address]
        phase = int(np.searchsorted(starts, address, side="right")) - 1
        records.append(
            {
                "address": address,
                "phase": tile.phases[phase][0] if phase >= 0 else "",
                "opcode": Op(int(record["op"])).name.lower(),
                "operands": {name: _field_record(field) for name, field in operand_fields(record).items()},
                "names": names.of_operands(address),
                **_immediate(record, tile),
                "text": text,
                "interval": [int(names.values.low[address]), int(names.values.high[address])],
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
    """``steps``: the micro-operations of the instruction at ``address``; ``text``: its assembly line; ``names``: of its
    operands; ``interval``: of what it leaves in r. The last one of a tile may be the rewinding: ``address`` is then the
    number of instructions, and there is no interval.

    Of each step: ``cells``, the operand bits ("r3", "" for flags) of the cells it names, in order; ``notes``: what it
    belongs to ("" where the step before says it).
    """

    address: int
    text: str
    names: Mapping[str, str]
    interval: tuple[int, int] | None
    steps: list[MicroOp]
    cells: list[tuple[str, ...]]
    notes: list[str]


def micro_expansions(program: Program, window: Window) -> list[Expansion]:
    """The instructions of a window as micro-operations with real cells and shifts, rewinding included where the
    window reaches the tile's end."""
    target, tile = Target.from_table(program.target), window.tile
    names = Names(program, window.layer_index, window.tile_index)
    offsets = _offsets_before(tile, window.start, target.array.columns, target.features.search_or)
    expansions = []
    for address, line in enumerate(instruction_lines(tile, window.start, window.stop), window.start):
        record, before = tile.instructions[address], list(offsets)
        ops = expand_instruction(record, tile, target.features.search_or, offsets)
        cells, notes = _annotated(ops, signature(record, tile.constants), target.features.search_or, before)
        interval = int(names.values.low[address]), int(names.values.high[address])
        expansions.append(Expansion(address, line, names.of_operands(address), interval, ops, cells, notes))
    if window.stop == len(tile.instructions):
        back: list[MicroOp] = [Shift(column, -offset) for column, offset in enumerate(offsets) if offset]
        notes = [f"d{-step.steps} -> d0" for step in back if isinstance(step, Shift)]
        text = f"0x{window.stop:04x}  rewind"
        expansions.append(Expansion(window.stop, text, {}, None, back, [()] * len(back), notes))
    return expansions


def _annotated(
    ops: Sequence[MicroOp], sig: Signature, search_or: bool, offsets: list[int]
) -> tuple[list[tuple[str, ...]], list[str]]:
    """``Expansion.cells`` and ``Expansion.notes`` of the steps of an instruction. ``offsets``: the domain at the port
    of each column before it, changed here."""
    symbolic = zip(expand(sig, search_or), _pass_notes(sig, search_or), strict=True)
    cells: list[tuple[str, ...]] = []
    notes = []
    for op in ops:
        if isinstance(op, Shift):
            before = offsets[op.column]
            offsets[op.column] += op.steps
            cells.append(())
            notes.append(f"d{before} -> d{offsets[op.column]}")
        else:
            meaning, note = next(symbolic)
            cells.append(tuple(f"{name}{bit}" if name in "abr" else "" for (name, bit), _ in _touched(meaning)))
            notes.append(note)
    return cells, notes


def _pass_notes(sig: Signature, search_or: bool) -> Iterator[str]:
    """For each of ``expand(sig, search_or)`` the pass that begins with it, and for which operand bit or flag."""
    for step in steps(sig, search_or):
        yield from [""] * ((step.receive is not None) + (step.broadcast is not None))
        passes = step.table.passes
        bit = next((f"{name}{step.cells[name][1]}" for name in "rab" if name in step.table.touched), "")
        where = bit or ", ".join(sorted(step.table.touched))
        for number, item in enumerate(passes, 1):
            yield f"{where}: pass {number} of {len(passes)}"
            yield from [""] * len(item.searches)


def _touched(op: SymbolicOp) -> tuple[tuple[Cell, int], ...]:
    """The cells that a symbolic micro-operation searches or writes, with their bits."""
    return () if isinstance(op, Receive | Broadcast) else op.values if isinstance(op, Write) else op.key


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
        for (name, bit), _ in _touched(op):
            if name in touched:
                touched[name].pop(bit, None)
                touched[name][bit] = None
    return {name: list(bits) for name, bits in touched.items() if bits}
