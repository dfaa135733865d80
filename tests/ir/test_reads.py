"""What is read, against a machine of dictionaries and graphs that shares nothing with the kernels."""

from __future__ import annotations

from collections import defaultdict

import networkx as nx
import numpy as np
from hypothesis import given, settings

from ir.cells import NONE, OPERAND_A, OPERAND_B, OPERAND_R
from ir.expand import operand_fields
from ir.isa import R_FRESH, Field, Op
from ir.program import LayerProgram, Program, Tile
from ir.reads import TileReads, served, tile_reads
from ir.values import tile_values
from tests.programs import programs, tiny_program

Held = dict[tuple[int, int], tuple[int, int]]
"""cell -> (value, bit)"""
UPDATING = (Op.ADD, Op.SUB, Op.ADDC, Op.MAX, Op.STEP, Op.MAC, Op.EXTEND)


def field(record: np.void) -> Field:
    _, column, domain, width, signed, across = record.tolist()
    return Field(column, domain, width, bool(signed), bool(across))


def operands(record: np.void) -> dict[int, Field]:
    """The fields that an instruction reads, by operand."""
    op, parts = Op(int(record["op"])), operand_fields(record)
    read = {}
    if op in UPDATING:
        kept = parts["r"].width - bool(record["flags"] & R_FRESH)
        read[OPERAND_R] = parts["r"].bits(0, int(record["a_width"]) if op == Op.EXTEND else kept)
    if "a" in parts:
        read[OPERAND_A] = parts["a"]
    if "b" in parts:
        read[OPERAND_B] = parts["b"]
    return read


def follow(layer: LayerProgram, tile: Tile, number: int, made: list[int], outputs: list[Field]) -> TileFollowed:
    held: Held = {}
    last: dict[int, int] = {}
    for value, record in enumerate(layer.resident(number)[0]):
        held.update({field(record).cell(bit): (value, bit) for bit in range(int(record["width"]))})
    bits: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    graph, previous = nx.DiGraph(), []

    def note(index: int, operand: int, part: Field) -> None:
        cells = [(place, held[part.cell(place)]) for place in range(part.width) if part.cell(place) in held]
        bits[index, operand] = [(place, value, last.get(value, NONE), bit) for place, (value, bit) in cells]
        graph.add_edges_from((last[value], index) for _, (value, _) in cells if value in last)

    for address, record in enumerate(tile.instructions):
        graph.add_node(address)
        for operand, part in operands(record).items():
            note(address, operand, part)
        r, value = operand_fields(record)["r"], made[address]
        lowest = held.get(r.cell(0), (NONE, 0))
        shift = lowest[1] if lowest[0] == value else 0
        previous.append((last.get(value, NONE) if value in last or lowest[0] == value else NONE, shift))
        if value in last:
            graph.add_edge(last[value], address)
        held.update({r.cell(bit): (value, shift + bit) for bit in range(r.width)})
        last[value] = address
    for index, part in enumerate(outputs):
        graph.add_node(len(made) + index)
        note(len(made) + index, OPERAND_A, part)
    return bits, previous, graph


TileFollowed = tuple[dict[tuple[int, int], list[tuple[int, int, int, int]]], list[tuple[int, int]], "nx.DiGraph[int]"]


def read_bits(reads: TileReads) -> dict[tuple[int, int], list[tuple[int, int, int, int]]]:
    """(instruction, operand) -> (place, value, version, bit of the value) of every bit that a value holds."""
    bits = defaultdict(list)
    for instruction, operand, value, version, first, place, count, _ in reads.reads.tolist():
        bits[instruction, operand] += [(place + j, value, version, first + j) for j in range(count)]
    return dict(bits)


def check(program: Program) -> None:
    for index, layer in enumerate(program.layers):
        for number, tile in enumerate(layer.tiles):
            values = tile_values(program, index, number)
            channels = program.tensors[layer.output].fields
            outputs = channels[channels["tile"] == number]
            reads = tile_reads(tile, values, layer.resident(number)[0], outputs)
            bits, previous, graph = follow(
                layer, tile, number, values.made.tolist(), [field(record) for record in outputs]
            )
            assert read_bits(reads) == {key: found for key, found in bits.items() if found}
            assert list(zip(reads.previous.tolist(), reads.shift.tolist(), strict=True)) == previous
            count = len(tile.instructions)
            expected = np.zeros((count, len(outputs)), bool)
            for output in range(len(outputs)):
                expected[[node for node in nx.ancestors(graph, count + output) if node < count], output] = True
            assert (served(reads, len(outputs)) == expected).all()


def test_the_tiny_program() -> None:
    check(tiny_program())


@settings(max_examples=150, deadline=None)
@given(programs())
def test_any_program(program: Program) -> None:
    check(program)


def test_what_lies_above_a_stretch() -> None:
    program = tiny_program()
    values = tile_values(program, 1, 0)
    reads = tile_reads(
        program.layers[1].tiles[0],
        values,
        program.layers[1].resident(0)[0],
        np.zeros(0, program.tensors[2].fields.dtype),
    )
    (shifted,) = (read for read in reads.of(7) if read["operand"] == OPERAND_A)  # sub copy, total.bits(1)
    assert (shifted["version"], shifted["first_bit"], shifted["bits"], shifted["above"]) == (2, 1, 4, 0)
    (extended,) = reads.of(8)  # extend of the lowest five of eight bits
    assert (extended["operand"], extended["bits"], extended["above"]) == (OPERAND_R, 5, 3)
