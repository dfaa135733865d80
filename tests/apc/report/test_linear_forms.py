"""Linear forms against what the instructions compute, followed bit by bit on Python's integers."""

from __future__ import annotations

import numpy as np

import apc
from apc.report.linear_forms import LinearForms
from ir.expand import operand_fields
from ir.isa import R_FRESH, RECORD, Field, Op, gather_index
from ir.program import FIELD, Program, Tile
from ir.reads import tile_reads
from ir.values import NONE, tile_values
from tests.programs import fields, macro, tiny_program
from tests.workspace import DIGITS

Cells = dict[tuple[int, int], int]


def read(cells: Cells, part: Field) -> int:
    bits = [cells.get(part.cell(bit), 0) for bit in range(part.width)]
    value = sum(bit << place for place, bit in enumerate(bits))
    return value - (bits[-1] << part.width) if part.signed else value


def write(cells: Cells, part: Field, value: int) -> None:
    cells.update({part.cell(bit): value >> bit & 1 for bit in range(part.width)})


def step(cells: Cells, tile: Tile, record: np.void, gathered: list[int]) -> None:
    """One instruction on one row, as ``ir.isa`` describes it."""
    op, parts, imm = Op(int(record["op"])), operand_fields(record), int(record["imm"])
    fresh = bool(record["flags"] & R_FRESH)
    r = parts["r"]
    old, top = read(cells, r), 1 << (r.width - 1)
    kept = read(cells, r.bits(0, r.width - 1, signed=False)) if fresh and r.width > 1 else old
    a, b = (read(cells, parts[name]) if name in parts else 0 for name in "ab")
    constants = [int(value) for value in tile.constants[imm : imm + 2]] + [0, 0]
    results = {
        Op.CONST: constants[0],
        Op.COPY: a,
        Op.ADD: kept + a,
        Op.SUB: kept - a + fresh * top,
        Op.ADDO: a + b,
        Op.SUBO: a - b + fresh * top,
        Op.ADDC: old + constants[0],
        Op.MAX: max(old, a),
        Op.CLAMP: min(max(a, constants[0]), constants[1]),
        Op.STEP: constants[1] if a >= constants[0] else old,
    }
    if op == Op.EXTEND:
        results[op] = read(cells, r.bits(0, int(record["a_width"]), signed=True))
    if op == Op.GATHER:
        results[op] = gathered[int(gather_index(record))] + fresh * top
    if op == Op.MAC:
        results[op] = old + a * gathered[int(gather_index(record))]
    write(cells, r, results[op])


def check(program: Program, index: int, seed: int) -> set[Op]:
    """Runs a layer's first tile on random inputs of a row; returns the opcodes whose results had a linear form."""
    random = np.random.default_rng(seed)
    layer, tile = program.layers[index], program.layers[index].tiles[0]
    inputs = [program.tensors[entry["tensor"]].fields[entry["channel"]] for entry in tile.gathers]
    ranges = [(int(item["width"]), int(item["signed"])) for item in inputs]
    gathered = [int(random.integers(0, 1 << bits)) - (signed << (bits - 1)) for bits, signed in ranges]
    resident, values = layer.resident(0)
    row, cells = int(random.integers(values.shape[1])) if len(values) else 0, Cells()
    for record, value in zip(resident, values, strict=True):
        _, column, domain, width, signed, across = record.tolist()
        write(cells, Field(column, domain, width, bool(signed), bool(across)), int(value[row]))
    reads = tile_reads(tile, tile_values(program, index, 0), resident, np.zeros(0, FIELD))
    forms = LinearForms(tile, reads, range(len(tile.instructions))).forms
    seen = set()
    for address, record in enumerate(tile.instructions):
        step(cells, tile, record, gathered)
        if address not in forms:
            continue
        r, below = operand_fields(record)["r"], int(reads.shift[address])
        origin = (r.column - below, r.domain) if r.across else (r.column, r.domain - below)
        whole = Field(*origin, r.width + below, False, r.across)
        form = forms[address]
        expected = form.constant + sum(
            factor * (1 if gather == NONE else gathered[gather]) * (1 if held == NONE else int(values[held][row]))
            for (gather, held), factor in form.factors.items()
        )
        assert (read(cells, whole) - expected) % (1 << whole.width) == 0, hex(address)
        seen.add(Op(int(record["op"])))
    return seen


def test_what_the_compiler_makes() -> None:
    program = apc.compile(DIGITS, level="O2")
    names = [layer.name for layer in program.layers]
    seen = set[Op]()
    for name in ("stem", "blocks.0.conv2", "blocks.1.downsample", "blocks.1.add.quant", "classifier"):
        seen |= check(program, names.index(name), seed=1)
    assert {Op.CONST, Op.COPY, Op.ADD, Op.SUB, Op.ADDO, Op.SUBO, Op.ADDC, Op.GATHER, Op.MAC} <= seen


def test_signed_inputs_held_with_an_offset() -> None:
    program = tiny_program()
    program.tensors[0].fields = fields((0, Field(0, 0, 4, signed=True)), (0, Field(0, 0, 4, signed=True)))
    code = program.layers[0].tiles[0].instructions
    code["flags"][code["op"] == Op.GATHER] |= R_FRESH
    for seed in range(5):
        assert Op.SUB in check(program, 0, seed)


def test_what_is_not_linear_has_no_form() -> None:
    program = tiny_program()
    tile = program.layers[1].tiles[0]
    reads = tile_reads(tile, tile_values(program, 1, 0), program.layers[1].resident(0)[0], np.zeros(0, FIELD))
    forms = LinearForms(tile, reads, range(len(tile.instructions))).forms
    names = [Op(int(record["op"])).name for address, record in enumerate(tile.instructions) if address not in forms]
    assert names == [
        "SUB",
        "MAX",
        "STEP",
        "CLAMP",
        "MAC",
    ]  # SUB of a field shifted to the right, and MAC on what is left


def test_a_value_whose_upper_bits_are_gone_is_not_linear() -> None:
    program = tiny_program()
    code = [
        macro(Op.GATHER, Field(3, 0, 4), imm=0),
        macro(Op.COPY, Field(4, 0, 4), Field(3, 0, 4)),
        macro(Op.CONST, Field(3, 2, 2), imm=1),
        macro(Op.COPY, Field(5, 0, 4), Field(3, 0, 4)),
    ]
    program.layers[0].tiles[0].instructions = np.array(code, RECORD)
    tile = program.layers[0].tiles[0]
    reads = tile_reads(tile, tile_values(program, 0, 0), np.zeros(0, FIELD), np.zeros(0, FIELD))
    assert list(LinearForms(tile, reads, range(4)).forms) == [0, 1, 2]
