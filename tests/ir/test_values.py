"""Values against their definition cell by cell, and their intervals against machines that run the instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import apc
from ir.expand import Broadcast, Receive, expand_instruction, operand_fields
from ir.isa import FLAG_COLUMNS, GATHERING, Field, Op, gather_index
from ir.program import FIELD, LayerProgram, Program, StoredTensor, Tile
from ir.values import NONE, SEVERAL, Kind, TileValues, tile_values
from simulator.rtm.machine import Machine
from tests.apc.small import small_model
from tests.programs import fields, macro, programs, random_field, random_instruction, tile, tiny_program

ROWS = 32
CONTINUING = (Op.ADD, Op.SUB, Op.ADDC, Op.MAX, Op.STEP, Op.MAC, Op.EXTEND)


def crowded_program(seed: int, instructions: int = 40) -> Program:
    """tiny_program's second layer with random instructions: 16 columns, so that fields overlap in every way."""
    rng = np.random.default_rng(seed)
    program = tiny_program()
    layer = program.layers[1]
    constants = [*rng.integers(-300, 300, 6).tolist(), 2**62, -(2**63)]
    code = [
        random_instruction(rng, len(constants), np.array([4, 4, 4]), np.array([False, False, True]))
        for _ in range(instructions)
    ]
    places = [(0, random_field(rng, (3, 16))) for _ in range(2)]
    program.tensors[2] = StoredTensor("every", (2, 4, 4), 1, fields(*places))
    gathers = [tuple(entry) for entry in layer.tiles[0].gathers.tolist()]
    random_tile = tile(code, constants, gathers, [("all", 0)])
    program.layers[1] = replace(
        layer, tiles=[random_tile], resident_fields=np.zeros(0, FIELD), resident_values=np.zeros((0, 0), np.int32)
    )
    return program


class Definition:
    """The values of a tile by the definition in ``ir.values``, one cell at a time, and the graph of what is made of
    what: a node is what an instruction leaves of a value, or ("resident", value)."""

    def __init__(self, layer: LayerProgram, number: int, channels: np.ndarray) -> None:
        self.code = layer.tiles[number].instructions
        self.held: dict[tuple[int, int], int] = {}
        self.writers: list[list[int]] = []
        self.last_read: dict[int, int] = {}
        self.state: dict[int, object] = {}
        self.flow = nx.DiGraph()
        self.made: list[int] = []
        self.read: dict[str, list[int]] = {"a": [], "b": []}
        for record in layer.resident(number)[0]:
            self._begin(_stored(record))
        for address in range(len(self.code)):
            self._follow(address)
        self.outputs = {
            channel: self.held[_stored(record).cell(0)]
            for channel, record in enumerate(channels)
            if record["tile"] == number and _stored(record).cell(0) in self.held
        }

    def _begin(self, field: Field) -> int:
        value = len(self.writers)
        self.writers.append([])
        self.state[value] = ("resident", value)
        self.flow.add_node(self.state[value])
        self._hold(value, field)
        return value

    def _hold(self, value: int, field: Field) -> None:
        self.held |= {field.cell(bit): value for bit in range(field.width)}

    def _follow(self, address: int) -> None:
        op, places = Op(int(self.code[address]["op"])), operand_fields(self.code[address])
        read = {}
        for name in "ab":
            cells = [places[name].cell(bit) for bit in range(places[name].width)] if name in places else []
            read[name] = next((self.held[cell] for cell in cells if cell in self.held), NONE)
            self.read[name].append(read[name])
        lowest = self.held.get(places["r"].cell(0)) if op in CONTINUING else None
        self.flow.add_node(address)
        sources = [value for value in read.values() if value != NONE]
        self.flow.add_edges_from((self.state[value], address) for value in sources)
        self.last_read |= dict.fromkeys(sources, address)
        if lowest is None:
            value = self._begin(places["r"])
        else:
            value = lowest
            self.flow.add_edge(self.state[value], address)
            self._hold(value, places["r"])
        self.state[value] = address
        self.writers[value].append(address)
        self.made.append(value)

    def reached(self) -> dict[int, set[int]]:
        """Value -> the channels it flows into: from anything that it has ever been."""
        versions: dict[int, set[object]] = {value: {("resident", value)} for value in range(len(self.writers))}
        for address, value in enumerate(self.made):
            versions[value].add(address)
        reached = {}
        for value, nodes in versions.items():
            nodes = {node for node in nodes if node in self.flow}
            beyond = nodes.union(*(nx.descendants(self.flow, node) for node in nodes))
            reached[value] = {channel for channel, held in self.outputs.items() if self.state[held] in beyond}
        return reached


def _stored(record: np.void) -> Field:
    _, column, domain, width, signed, across = record.tolist()
    return Field(column, domain, width, bool(signed), bool(across))


def assert_defined(program: Program, layer: int, number: int) -> TileValues:
    """The arrays of a tile are what the definition says."""
    values = tile_values(program, layer, number)
    definition = Definition(program.layers[layer], number, program.tensors[program.layers[layer].output].fields)
    assert values.made.tolist() == definition.made
    assert values.a.tolist() == definition.read["a"]
    assert values.b.tolist() == definition.read["b"]
    writers = definition.writers
    assert values.first.tolist() == [min(addresses, default=-1) for addresses in writers]
    assert values.last.tolist() == [max(addresses, default=-1) for addresses in writers]
    resident = len(program.layers[layer].resident(number)[0])
    assert values.updates.tolist() == [len(where) - (value >= resident) for value, where in enumerate(writers)]
    assert values.last_read.tolist() == [definition.last_read.get(value, -1) for value in range(len(writers))]
    reached = definition.reached()
    for value, channels in reached.items():
        assert values.channel[value] == (NONE if not channels else min(channels) if len(channels) == 1 else SEVERAL)
        held = [channel for channel, holder in definition.outputs.items() if holder == value]
        assert values.output[value] == min(held, default=NONE)
        assert values.kind[value] == _kind(program, layer, number, values, value, resident)
    return values


def _kind(program: Program, layer: int, number: int, values: TileValues, value: int, resident: int) -> Kind:
    if value < resident:
        return Kind.RESIDENT
    if values.output[value] >= 0:
        return Kind.OUTPUT
    opcode = program.layers[layer].tiles[number].instructions["op"][values.first[value]]
    if values.updates[value]:
        return Kind.ACCUMULATOR if values.channel[value] >= 0 else Kind.TEMPORARY
    return {Op.GATHER: Kind.ACTIVATION, Op.CONST: Kind.CONSTANT}.get(Op(int(opcode)), Kind.TEMPORARY)


def run(code: Tile, machine: Machine, received: Callable[[np.void], np.ndarray]) -> Iterator[np.ndarray]:
    """Execute a tile; the integer in r after every instruction, int64[rows]. ``received``: what the rows gather, by
    entry of the gather table."""
    for record in code.instructions:
        gathers = record["op"] in GATHERING
        integers = received(code.gathers[gather_index(record)]) if gathers else np.zeros(len(machine.cells), np.int64)
        for op in expand_instruction(record, code, False, list(machine.offsets)):
            bit = op.bit if isinstance(op, Receive | Broadcast) else 0
            machine.execute(op, (integers >> bit & 1).astype(bool))
        yield machine.read(operand_fields(record)["r"])


def assert_sound(program: Program, layer: int, number: int, seed: int = 0) -> None:
    """Every integer that a machine leaves in r lies in its interval, whatever the arrays held before."""
    rng = np.random.default_rng(seed)
    machine = Machine(ROWS, program.target["array"]["columns"], program.target["array"]["domains"])
    machine.cells[:, FLAG_COLUMNS:] = rng.integers(0, 2, machine.cells[:, FLAG_COLUMNS:].shape)
    for record, held in zip(*program.layers[layer].resident(number), strict=True):
        machine.load(_stored(record), rng.choice(held, ROWS).astype(np.int64))

    def received(gather: np.void) -> np.ndarray:
        """A pad value, the extremes, and integers between."""
        field = _stored(program.tensors[gather["tensor"]].fields[gather["channel"]])
        low, high = -(1 << (field.width - 1)) if field.signed else 0, (1 << (field.width - field.signed)) - 1
        for boundary in program.inputs:
            if boundary.tensor == gather["tensor"]:
                low, high = max(low, boundary.lo), min(high, boundary.hi)
        some = [low, high, int(gather["pad_value"])]
        return np.where(rng.integers(0, 2, ROWS), rng.choice(some, ROWS), rng.integers(low, high + 1, ROWS))

    values, code = tile_values(program, layer, number), program.layers[layer].tiles[number]
    for address, result in enumerate(run(code, machine, received)):
        assert values.low[address] <= result.min(), f"instruction {address:#x}"
        assert values.high[address] >= result.max(), f"instruction {address:#x}"


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_values_of_crowded_tiles_follow_the_definition(seed: int) -> None:
    assert_defined(crowded_program(seed, 80), 1, 0)


@given(programs())
@settings(max_examples=25)
def test_values_of_any_program_follow_the_definition(program: Program) -> None:
    for index, layer in enumerate(program.layers):
        for number in range(len(layer.tiles)):
            assert_defined(program, index, number)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_no_integer_leaves_its_interval(seed: int) -> None:
    assert_sound(crowded_program(seed), 1, 0, seed)


@pytest.mark.parametrize("level", ["O0", "O2"])
def test_a_compiled_network(level: str) -> None:
    program = apc.compile(small_model(), level=level)
    for index, layer in enumerate(program.layers):
        for number in range(len(layer.tiles)):
            values = assert_defined(program, index, number)
            assert_sound(program, index, number)
            held = np.flatnonzero(program.tensors[layer.output].fields["tile"] == number)
            assert sorted(values.output[values.kind == Kind.OUTPUT].tolist()) == held.tolist()


def one_tile(
    code: list[np.ndarray], constants: list[int], output: Field, lo: int = 0, hi: int = 15
) -> tuple[Program, TileValues]:
    """A layer of one tile with one output channel, which gathers channels of tiny_program's image in [lo, hi]."""
    program = tiny_program()
    layer = program.layers[0]
    gathers = [(0, channel, row_map, lo) for channel in (0, 1) for row_map in (0, 1, 2)]
    program.layers = [replace(layer, tiles=[tile(code, constants, gathers, [])])]
    program.tensors[1] = StoredTensor("conv", (1, 4, 4), 0, fields((0, output)))
    program.inputs[0] = replace(program.inputs[0], lo=lo, hi=hi)
    return program, tile_values(program, 0, 0)


X, Y, ACC, OUT = Field(3, 0, 4), Field(4, 0, 4), Field(5, 0, 10), Field(6, 0, 4)
SIGNED, COPY = Field(5, 0, 10, signed=True), Field(7, 0, 10)
LOAD = [macro(Op.GATHER, X, imm=0), macro(Op.GATHER, Y, imm=1)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ([macro(Op.COPY, ACC, X), macro(Op.ADD, ACC, Y)], lambda x, y: x + y),
        ([macro(Op.COPY, ACC, X), macro(Op.ADD, ACC.bits(3), Y)], lambda x, y: (x + 8 * y) >> 3),
        ([macro(Op.COPY, ACC.bits(0, 6), X), macro(Op.ADD, ACC.bits(2, 7), Y, fresh=True)], None),
        ([macro(Op.COPY, SIGNED, X), macro(Op.SUB, SIGNED.bits(1), Y)], lambda x, y: (x - 2 * y) >> 1),
        ([macro(Op.ADDO, ACC, X, Y)], lambda x, y: x + y),
        ([macro(Op.SUBO, SIGNED, X, Y)], lambda x, y: x - y),
        ([macro(Op.SUBO, ACC, X, Y, fresh=True)], lambda x, y: x - y + 512),
        ([macro(Op.COPY, ACC, X), macro(Op.SUB, ACC, Y, fresh=True)], lambda x, y: x - y + 512),
        ([macro(Op.COPY, ACC, X), macro(Op.ADDC, ACC, imm=0)], lambda x, y: x + 100),
        ([macro(Op.COPY, SIGNED, X), macro(Op.ADDC, SIGNED, imm=1)], lambda x, y: x - 7),
        ([macro(Op.COPY, SIGNED, X), macro(Op.ADDC, SIGNED, imm=1), macro(Op.CLAMP, OUT, SIGNED, imm=2)], None),
        ([macro(Op.CONST, ACC, imm=3), macro(Op.STEP, ACC, X, imm=4)], lambda x, y: 9 if x >= 5 else 5),
        (
            [macro(Op.CONST, ACC, imm=0), macro(Op.STEP, ACC.bits(4), X, imm=4), macro(Op.COPY, COPY, ACC)],
            lambda x, y: 148 if x >= 5 else 100,
        ),
        ([macro(Op.COPY, OUT, X), macro(Op.MAX, OUT, Y)], max),
    ],
)
def test_the_interval_of_independent_operands_is_attained(code: list[np.ndarray], expected: object) -> None:
    """Each operand used once: over all inputs in [2, 13] a machine leaves the interval's least and greatest."""
    program, values = one_tile(LOAD + code, [100, -7, 0, 5, 5, 9], OUT, 2, 13)
    last = len(program.layers[0].tiles[0].instructions) - 1
    pairs = list(product(range(2, 14), repeat=2))
    machine = Machine(len(pairs), 16, 32)
    inputs = {(0, 0): np.array([x for x, _ in pairs]), (0, 1): np.array([y for _, y in pairs])}
    *_, last_result = run(program.layers[0].tiles[0], machine, lambda gather: inputs[0, int(gather["row_map"])])
    results = last_result.tolist()
    assert (values.low[last], values.high[last]) == (min(results), max(results))
    if callable(expected):
        assert results == [expected(x, y) for x, y in pairs]


@pytest.mark.parametrize(("pad", "interval"), [(0, (0, 13)), (2, (2, 13)), (7, (2, 13)), (15, (2, 15))])
def test_what_is_gathered_is_an_input_or_a_pad_value(pad: int, interval: tuple[int, int]) -> None:
    program, _ = one_tile(LOAD, [], OUT, 2, 13)
    program.layers[0].tiles[0].gathers["pad_value"][1] = pad
    values = tile_values(program, 0, 0)
    assert (values.low.tolist(), values.high.tolist()) == ([2, interval[0]], [13, interval[1]])


def test_resident_integers_bound_their_value() -> None:
    """The last layer's weights -4 .. 3, multiplied with a channel of four bits: -60 .. 45."""
    program = tiny_program()
    code = program.layers[1].tiles[0]
    mac = code.instructions[12:].copy()
    program.layers[1].tiles[0] = tile(
        [macro(Op.CONST, Field(7, 0, 8, signed=True), imm=0), *mac], [0], [(1, 0, 1, 0)] * 3, []
    )
    values = tile_values(program, 1, 0)
    assert (values.low[1], values.high[1], values.a[1], values.kind[0]) == (-60, 45, 0, Kind.RESIDENT)
