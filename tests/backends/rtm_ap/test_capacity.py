"""Whatever a layer, an array and a strategy are: what does not fit is refused, what is compiled stays inside the array,
keeps its live values apart, and is right.

The instructions are followed here by an interpreter of their own, that knows only what ``ir.isa`` says of them: cells
hold anything before they are written, and a cell that was never written may not be read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.rtm_ap import linear
from backends.rtm_ap.builder import Source
from backends.rtm_ap.layers import compile_layer, sums_of
from backends.rtm_ap.layout import AcrossLayout, AlongLayout, CapacityError, Geometry
from backends.rtm_ap.shared_sums import Region
from backends.rtm_ap.strategy import Strategy
from ir.graph import Graph
from ir.interpreter import run_graph
from ir.isa import FLAG_COLUMNS, OPERANDS, R_FRESH, Field, Op, gather_index
from ir.lower import lower
from ir.ops import Conv
from ir.program import FIELD, Boundary, Program, StoredTensor, Tile
from ir.rounding import Rounding
from ir.types import IntType, TensorType
from ir.verify_program import verify_program
from simulator.rtm.engine import FastEngine
from simulator.rtm.prepared import Prepared
from simulator.rtm.reference import ReferenceEngine
from tests.graphs import NORMAL, add_input, add_output, random_inputs, requantise

IMAGES = 3
ROWS = 64
"""Of an array, which holds all positions of the images."""


# --- what is compiled ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Case:
    """A network of one layer, and the array and the strategy to compile it for."""

    graph: Graph
    geometry: Geometry
    strategy: Strategy


def random_case(random: Random) -> Case:
    """Half of them such that many sums can be shared, and few columns are left to hold them."""
    shares = random.random() < 0.5
    columns = random.choice([random.randint(24, 48), random.randint(24, 256)])
    domains = random.choice([random.randint(8, 20), random.randint(8, 64)])
    graph, strategy = random_layer(random, shares), random_strategy(random)
    if shares:
        columns = random.randint(24, 64)
        strategy = replace(strategy, share=True, block=0, least_uses=2, together=random.randint(4, 12), outputs=0)
    return Case(graph, Geometry(columns, domains), strategy)


def random_layer(random: Random, shares: bool) -> Graph:
    """A convolution, its sums stored as they are or requantised, perhaps together with a residual. ``shares``: of many
    outputs that have much in common."""
    graph = Graph("layer")
    channels, outputs, side = random.randint(1, 12), random.randint(1, 24), random.choice([1, 3])
    kind = IntType(random.randint(1, 5), random.random() < 0.5)
    height, width = random.randint(1, 4), random.randint(1, 4)
    add_input(graph, "x", (channels, height, width), kind.bits, kind.signed)
    limit, density = random.choice([1, 1, 2, 7]), random.choice([0.2, 0.5, 0.9])
    if shares:
        outputs, limit, density = random.randint(12, 24), random.choice([1, 2]), 0.8
    rng = np.random.default_rng(random.randrange(1 << 30))
    shape = (outputs, channels, side, side)
    weights = np.where(rng.random(shape) < density, rng.integers(-limit, limit + 1, shape), 0)
    pad, zero_point = side // 2, random.choice([0, 0, random.randint(kind.min, kind.max)])
    graph.add("sum", Conv(weights, (1, 1), (pad,) * 4, zero_point=zero_point), ["x"])
    residual = random.random() < 0.2
    if not residual and random.random() < 0.4:
        add_output(graph, "sum")
        return graph

    def factors(bits: int) -> list[Fraction]:
        """Multipliers that leave about four bits; small ratios, since two operands may have no plan for others."""
        unit = Fraction(1, 1 << max(0, bits - 4))
        return [random.choice([-1, 1]) * Fraction(random.randint(1, 7), 4) * unit for _ in range(outputs)]

    operands, multipliers = ["sum"], [factors(graph.type("sum").dtype.bits)]
    if residual:
        other = IntType(random.randint(1, 5), random.random() < 0.5)
        operands.append(add_input(graph, "residual", (outputs, height, width), other.bits, other.signed))
        multipliers.append(factors(other.bits))
    offsets = [Fraction(random.randint(-32, 32), 8) for _ in range(outputs)]
    out = IntType(random.randint(1, 6), random.random() < 0.5)
    rounding = Rounding.HALF_EVEN if residual else random.choice(list(Rounding))
    graph.add("q", requantise(multipliers, offsets, out, rounding=rounding), operands)
    add_output(graph, "q")
    return graph


def random_strategy(random: Random) -> Strategy:
    def flag() -> bool:
        return random.random() < 0.5

    return Strategy(
        together=random.choice([0, random.randint(1, 12), random.randint(1, 40)]),
        cluster=flag(),
        share=random.random() < 0.7,
        block=random.choice([0, random.randint(1, 12)]),
        least_uses=random.randint(2, 4),
        row_sums=flag(),
        across=flag(),
        outputs=random.choice([0, random.randint(1, 24)]),
        offset=flag(),
        overwrite=flag(),
        share_constants=flag(),
        term_budget_s=random.choice([Strategy().term_budget_s, 0.0, 1e-6]),
        seed=random.randrange(1 << 16),
    )


def compiled(case: Case) -> Program:
    """The layer as a program of its own. Raises CapacityError where it does not fit."""
    graph, geometry = case.graph, case.geometry
    graph.verify()
    lowered = lower(graph)
    (layer,) = lowered.layers
    inputs = [StoredTensor(name, kind.shape, -1, fields_of(kind)) for name, kind in lowered.inputs.items()]
    index = {tensor.name: number for number, tensor in enumerate(inputs)}
    sources = [Source(index[name], inputs[index[name]].fields) for name in layer.sources]
    result = compile_layer(layer, sums_of(layer, sources), geometry, sources, len(inputs), case.strategy)
    kinds = {name: graph.type(name) for name in [*index, layer.node]}
    boundaries = [
        Boundary(name, i, (None, *k.shape), "int64", k.dtype, k.dtype.min, k.dtype.max)
        for i, (name, k) in enumerate(kinds.items())
    ]
    array = replace(NORMAL.array, rows=ROWS, row_gate_rows=ROWS, columns=geometry.columns, domains=geometry.domains)
    return Program(
        name=graph.name,
        model_sha256="00" * 32,
        level="O0",
        passes=[],
        target=replace(NORMAL, array=array).as_table(),
        tensors=[*inputs, StoredTensor(layer.node, layer.type.shape, 0, result.fields)],
        layers=[result.program],
        inputs=boundaries[:-1],
        outputs=boundaries[-1:],
    )


def fields_of(kind: TensorType) -> np.ndarray:
    fields = np.zeros(kind.channels, FIELD)
    fields["width"], fields["signed"] = kind.dtype.bits, kind.dtype.signed
    return fields


# --- what it means ------------------------------------------------------------------------------------------------


class Illegal(AssertionError):
    """An instruction leaves the array, has operands that meet, or reads what was never written."""


class Cells:
    """One array's cells in all used rows, and which of them were written. What was not holds anything."""

    def __init__(self, geometry: Geometry, rows: int) -> None:
        self.geometry = geometry
        shape = geometry.columns, geometry.domains
        self.bits = np.random.default_rng(7).integers(0, 2, (*shape, rows))
        self.written = np.zeros(shape, bool)

    def places(self, field: Field) -> list[tuple[int, int]]:
        """(column, domain) of every bit, all of them inside the array and outside the flag columns."""
        cells = [field.cell(bit) for bit in range(field.width)]
        for column, domain in cells:
            if not (FLAG_COLUMNS <= column < self.geometry.columns and 0 <= domain < self.geometry.domains):
                raise Illegal(f"column {column}, domain {domain} of {field} is no cell of {self.geometry}")
        return cells

    def read(self, field: Field) -> np.ndarray:
        value = np.zeros(self.bits.shape[-1], np.int64)
        for bit, place in enumerate(self.places(field)):
            if not self.written[place]:
                raise Illegal(f"bit {bit} of {field} was never written")
            value += self.bits[place] << bit
        if field.signed:
            value -= (value >> (field.width - 1)) << field.width
        return value

    def write(self, field: Field, value: np.ndarray | int) -> None:
        """The low bits of the value."""
        for bit, place in enumerate(self.places(field)):
            self.bits[place], self.written[place] = (value >> bit) & 1, True


def operand(record: np.void, name: str) -> Field:
    """Operand "a", "b" or "r" of an instruction; bits 0 to 2 of the flags say what is signed, 3 to 5 what lies across
    columns."""
    column, domain, width = (int(record[f"{name}_{part}"]) for part in ("column", "domain", "width"))
    flags = int(record["flags"]) >> "abr".index(name)
    return Field(column, domain, width, bool(flags & 1), bool(flags & 8))


def gathered(program: Program, tile: Tile, number: int, inputs: list[np.ndarray]) -> np.ndarray:
    """What the rows receive: from the source position that the row map names, or padding."""
    tensor, channel, row_map, pad_value = tile.gathers[number].tolist()
    stride_y, stride_x, offset_y, offset_x = program.layers[0].row_maps[row_map].tolist()
    images = inputs[tensor][:, channel]
    height, width = program.tensors[-1].shape[1:]
    received = np.full((len(images), height, width), pad_value, np.int64)
    for y in range(height):
        for x in range(width):
            source_y, source_x = y * stride_y + offset_y, x * stride_x + offset_x
            if 0 <= source_y < images.shape[1] and 0 <= source_x < images.shape[2]:
                received[:, y, x] = images[:, source_y, source_x]
    return received.ravel()


def step(cells: Cells, record: np.void, program: Program, tile: Tile, inputs: list[np.ndarray]) -> None:
    """One instruction."""
    op, fresh, imm = Op(record["op"]), bool(record["flags"] & R_FRESH), int(record["imm"])
    names, _ = OPERANDS[op]
    fields = {name: operand(record, name) for name in names}
    columns = [{column for column, _ in cells.places(field)} for field in fields.values()]
    if len(set().union(*columns)) < sum(map(len, columns)):
        raise Illegal(f"operands of {op.name} share a column: {fields}")
    r, constants = fields["r"], tile.constants.tolist()
    top = 1 << (r.width - 1)
    a = cells.read(fields["a"]) if "a" in fields else np.zeros(0, np.int64)
    b = cells.read(fields["b"]) if "b" in fields else np.zeros(0, np.int64)
    match op:
        case Op.CONST:
            cells.write(r, constants[imm])
        case Op.COPY:
            cells.write(r, a)
        case Op.ADD | Op.SUB if fresh:
            below = cells.read(r.bits(0, r.width - 1, signed=False))
            cells.write(r, below + a if op == Op.ADD else top + below - a)
        case Op.ADD:
            cells.write(r, cells.read(r) + a)
        case Op.SUB:
            cells.write(r, cells.read(r) - a)
        case Op.ADDO:
            cells.write(r, a + b)
        case Op.SUBO:
            cells.write(r, a - b + (top if fresh else 0))
        case Op.ADDC:
            cells.write(r, cells.read(r) + constants[imm])
        case Op.EXTEND:
            cells.write(r, cells.read(r.bits(0, int(record["a_width"]), signed=True)))
        case Op.MAX:
            cells.write(r, np.maximum(cells.read(r), a))
        case Op.CLAMP:
            cells.write(r, np.clip(a, constants[imm], constants[imm + 1]))
        case Op.STEP:
            cells.write(r, np.where(a >= constants[imm], constants[imm + 1], cells.read(r)))
        case Op.GATHER:
            value = gathered(program, tile, int(gather_index(record)), inputs)
            cells.write(r, value ^ top if fresh else value)
        case Op.MAC:
            raise Illegal("the weights of these layers are not held in arrays")


def interpret(program: Program, inputs: list[np.ndarray]) -> tuple[np.ndarray, list[Cells]]:
    """The stored output (N, C, H, W), and what every tile's array holds in the end."""
    array, tensor = program.target["array"], program.tensors[-1]
    arrays = []
    for tile in program.layers[0].tiles:
        cells = Cells(Geometry(array["columns"], array["domains"]), len(inputs[0]) * tensor.positions)
        for record in tile.instructions:
            step(cells, record, program, tile, inputs)
        arrays.append(cells)
    channels = []
    for tile, column, domain, width, signed, across in tensor.fields.tolist():
        channels.append(arrays[tile].read(Field(column, domain, width, bool(signed), bool(across))))
    values = np.array(channels).reshape(tensor.channels, len(inputs[0]), *tensor.shape[1:])
    return values.swapaxes(0, 1), arrays


def expected(graph: Graph, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """A convolution position by position, and the graph's requantisation."""
    op = graph.op("sum")
    assert isinstance(op, Conv)
    side = op.weights.shape[-1]
    height, width = graph.type("sum").shape[1:]
    around = side // 2
    x = np.pad(inputs["x"] - op.zero_point, ((0, 0), (0, 0), (around, around), (around, around)))
    sums = np.zeros((len(x), len(op.weights), height, width), np.int64)
    for dy in range(side):
        for dx in range(side):
            window = x[:, :, dy : dy + height, dx : dx + width]
            sums += np.einsum("oc,nchw->nohw", op.weights[:, :, dy, dx], window)
    values = run_graph(graph, inputs, keep="all")
    np.testing.assert_array_equal(values["sum"], sums)
    return values[graph.outputs[0].node]


def check(case: Case, program: Program, seed: int) -> list[Cells]:
    """Every instruction is legal, and the outputs are right. Returns what the arrays hold in the end."""
    images = random_inputs(case.graph, IMAGES, seed)
    values, arrays = interpret(program, [images[boundary.name] for boundary in program.inputs])
    np.testing.assert_array_equal(values, expected(case.graph, images))
    return arrays


def by_channel(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as (C, rows)."""
    return images.swapaxes(0, 1).reshape(images.shape[1], -1)


def check_engines(case: Case, program: Program, seed: int, arrays: list[Cells]) -> None:
    """What both engines compute and leave in every cell that was written is what the interpreter says."""
    verify_program(program)
    images = random_inputs(case.graph, IMAGES, seed)
    stored = {}
    for boundary in program.inputs:
        channels = by_channel(images[boundary.name])
        stored[boundary.tensor] = np.zeros((len(channels), ROWS), np.int32)
        stored[boundary.tensor][:, : channels.shape[1]] = channels
    wanted = by_channel(expected(case.graph, images))
    used = wanted.shape[1]
    for engine in (FastEngine(Prepared(program), IMAGES), ReferenceEngine(program, IMAGES)):
        result = engine.run_layer(0, stored, keep_contents=True)
        np.testing.assert_array_equal(result.output[:, :used], wanted)
        for cells, words in zip(arrays, result.contents, strict=True):
            bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
            np.testing.assert_array_equal(bits[cells.written][:, :used], cells.bits[cells.written])


# --- tests --------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.randoms(use_true_random=False))
def test_what_is_compiled_fits_and_is_right_and_the_rest_is_refused(random: Random) -> None:
    case = random_case(random)
    try:
        program = compiled(case)
    except CapacityError:
        return
    seed = random.randrange(1 << 30)
    check_engines(case, program, seed, check(case, program, seed))


def test_at_least_half_of_the_layers_compile() -> None:
    """Or the test above would look at little; and some are refused, so the arrays are small enough."""
    refused = 0
    for seed in range(40):
        try:
            compiled(random_case(Random(seed)))
        except CapacityError:
            refused += 1
    assert 0 < refused <= 20


# --- the checks above can fail ------------------------------------------------------------------------------------


def shared_case(across: bool) -> Case:
    """Many sums, many temporaries, most columns in use."""
    weights = np.random.default_rng(3).integers(-1, 2, (16, 8, 1, 1))
    graph = Graph("layer")
    add_input(graph, "x", (8, 4, 4), 2, False)
    graph.add("sum", Conv(weights), ["x"])
    add_output(graph, "sum")
    strategy = Strategy(together=8, share=True, row_sums=True, across=across, offset=True, overwrite=True)
    return Case(graph, Geometry(40, 24), strategy)


def is_noticed(case: Case, program: Program) -> bool:
    try:
        check(case, program, 1)
    except AssertionError:
        return True
    return False


def sums(program: Program) -> np.ndarray:
    """The additions of the only tile, in place."""
    (tile,) = program.layers[0].tiles
    return np.flatnonzero(np.isin(tile.instructions["op"], [Op.ADD, Op.SUB, Op.ADDO, Op.SUBO]))


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("beyond the columns", "is no cell"),
        ("beyond the domains", "is no cell"),
        ("in the flags", "is no cell"),
        ("operands meet", "share a column"),
        ("never loaded", "was never written"),
    ],
)
def test_an_illegal_instruction_is_noticed(change: str, reason: str, across: bool) -> None:
    case = shared_case(across)
    program = compiled(case)
    check(case, program, 1)
    (tile,) = program.layers[0].tiles
    record = tile.instructions[sums(program)[-1] :][:1]
    match change:
        case "beyond the columns":
            record["r_column"] = case.geometry.columns - (int(record["r_width"][0]) - 1 if across else 0)
        case "beyond the domains":
            record["r_domain"] = case.geometry.domains - (0 if across else int(record["r_width"][0]) - 1)
        case "in the flags":
            record["a_column"] = FLAG_COLUMNS - 1
        case "operands meet":
            record["a_column"] = record["r_column"]
        case "never loaded":
            tile.instructions = tile.instructions[np.argmax(tile.instructions["op"] == Op.GATHER) + 1 :]
    with pytest.raises(Illegal, match=reason):
        check(case, program, 1)


@pytest.mark.parametrize("across", [False, True])
def test_every_addition_with_its_places_swapped_is_noticed(across: bool) -> None:
    case = shared_case(across)
    program = compiled(case)
    (tile,) = program.layers[0].tiles
    original = tile.instructions.copy()
    assert len(sums(program)) > 30
    for index in sums(program):
        tile.instructions = original.copy()
        for part in ("column", "domain"):
            tile.instructions[f"r_{part}"][index] = original[f"a_{part}"][index]
            tile.instructions[f"a_{part}"][index] = original[f"r_{part}"][index]
        assert is_noticed(case, program), index


@pytest.mark.parametrize("across", [False, True])
def test_values_that_share_cells_are_noticed(across: bool) -> None:
    """All fields from some column on lie one further left, where others lie already. A few times that does no harm:
    nothing lay there, or never at the same time."""
    case = shared_case(across)
    program = compiled(case)
    (tile,) = program.layers[0].tiles
    fields = program.tensors[-1].fields
    original, stored = tile.instructions.copy(), fields.copy()
    used = sorted({int(column) for name in "rab" for column in original[f"{name}_column"] if column > FLAG_COLUMNS})
    missed = 0
    for column in used:
        tile.instructions, fields[:] = original.copy(), stored
        for name in "rab":
            tile.instructions[f"{name}_column"] -= original[f"{name}_column"] >= column
        fields["column"] -= stored["column"] >= column
        missed += not is_noticed(case, program)
    assert len(used) > 10 and missed <= len(used) // 5


class Narrow(AcrossLayout):
    """Its temporaries begin in the last column of its inputs."""

    @property
    def region(self) -> Region:
        region = super().region
        return replace(region, column=region.column - 1)


class Short(AlongLayout):
    """Inputs that follow one another along a wire overlap in a bit."""

    def input_places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        columns, domains = super().input_places(count)
        return columns, domains - (domains > 0)


class Wide(AcrossLayout):
    """Its temporaries end beyond the array."""

    @property
    def region(self) -> Region:
        region = super().region
        return replace(region, columns=region.columns + 8, room=region.room + 8)


@pytest.mark.parametrize("layout", [Narrow, Short, Wide])
def test_a_layout_that_is_wrong_is_noticed(layout: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """By several layers of the kind that the first test draws."""
    monkeypatch.setattr(linear, "layout_of", lambda geometry, demand, across: layout(geometry, demand))
    noticed = seed = 0
    while noticed < 3 and seed < 120:
        case = random_case(Random(seed))
        case = replace(case, strategy=replace(case.strategy, across=issubclass(layout, AcrossLayout)))
        seed += 1
        try:
            noticed += is_noticed(case, compiled(case))
        except CapacityError:
            continue
    assert noticed == 3
