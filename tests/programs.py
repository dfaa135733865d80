"""Small hand-written programs that several tests share."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from hypothesis import strategies as st

from backends.target import load_target
from ir import isa
from ir.expand import operand_fields
from ir.isa import Field, Op
from ir.program import ENCODINGS, FIELD, GATHER, ROW_MAP, Boundary, LayerProgram, Program, StoredTensor, Tile
from ir.types import IntType

TINY_TARGET: dict[str, Any] = load_target(
    "rtm-ap-published",
    [
        *("rows=64", "columns=16", "domains=32", "search_or=false"),
        *("search_cycles=1", "write_cycles=4", "shift_cycles=2", "transfer_bits_per_cycle=64"),
    ],
).as_table()


def macro(
    op: Op,
    r: Field,
    a: Field | None = None,
    b: Field | None = None,
    imm: int = 0,
    from_width: int = 0,
    fresh: bool = False,
    broadcast: IntType | None = None,
) -> np.ndarray:
    """One RECORD. ``imm``: constant or gather index; ``from_width``: EXTEND's a_width; ``broadcast``: what MAC takes of
    the gathered field."""
    record = np.zeros((), isa.RECORD)
    record["op"] = op
    flags = isa.R_FRESH if fresh else 0
    bits = {"r": (isa.R_SIGNED, isa.R_ACROSS), "a": (isa.A_SIGNED, isa.A_ACROSS), "b": (isa.B_SIGNED, isa.B_ACROSS)}
    for name, operand in (("r", r), ("a", a), ("b", b)):
        if operand is not None:
            signed, across = bits[name]
            flags |= signed * operand.signed | across * operand.across
            for part in ("column", "domain", "width"):
                record[f"{name}_{part}"] = getattr(operand, part)
    record["flags"] = flags
    record["imm"] = imm & 0xFFFF
    if op == Op.GATHER:
        record["a_column"] = imm >> 16
    if op == Op.EXTEND:
        record["a_width"] = from_width
    if broadcast is not None:
        record["b_column"], record["b_width"] = imm >> 16, broadcast.bits
        record["flags"] |= isa.B_SIGNED * broadcast.signed
    return record


def may_be_fresh(op: Op, r: Field, *others: Field) -> bool:
    """Whether an instruction on these operands may have R_FRESH."""
    return op in isa.FRESH and (
        op in (Op.ADDO, Op.GATHER) or all(not other.signed and other.width < r.width for other in others)
    )


def tile(
    instructions: list[np.ndarray],
    constants: list[int],
    gathers: list[tuple[int, int, int, int]],
    phases: list[tuple[str, int]],
) -> Tile:
    return Tile(np.array(instructions, isa.RECORD), np.array(constants, np.int64), np.array(gathers, GATHER), phases)


def fields(*places: tuple[int, Field]) -> np.ndarray:
    """FIELD records of (tile, field) pairs."""
    return np.array([(t, f.column, f.domain, f.width, f.signed, f.across) for t, f in places], FIELD)


def tiny_program() -> Program:
    """A 2 x 4 x 4 image, a 1 x 3 convolution with clamp (2 channels, 2 tiles), and a layer that uses every opcode."""
    image = fields((0, Field(0, 0, 4)), (0, Field(0, 0, 4)))
    x = [Field(3, 0, 4), Field(4, 0, 4), Field(5, 4, 4)]
    acc = Field(6, 0, 8, signed=True)
    clamped = Field(7, 16, 4)

    def conv_tile(signs: tuple[Op, ...], bias: int) -> Tile:
        code = [macro(Op.GATHER, x[i], imm=i) for i in range(3)]
        code.append(macro(Op.CONST, acc, imm=0))
        code += [macro(op, acc, x[i]) for i, op in enumerate(signs)]
        code.append(macro(Op.CLAMP, clamped, acc, imm=1))
        gathers = [(0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 2, 0)]
        return tile(code, [bias, 0, 15], gathers, [("gather", 0), ("sum 0", 3), ("requantise", 7)])

    conv = LayerProgram(
        name="conv",
        op="Conv",
        output=1,
        row_maps=np.array([(1, 1, 0, -1), (1, 1, 0, 0), (1, 1, 0, 1)], ROW_MAP),
        tiles=[conv_tile((Op.ADD, Op.SUB, Op.ADD), -3), conv_tile((Op.SUB, Op.ADD, Op.ADD), 5)],
        statistics={"nonzero_weights": 6, "adds_naive": 4, "adds": 6, "bit_adds": 48, "groups": 1},
    )

    a, b = Field(3, 0, 4), Field(4, 0, 4, across=False)
    total, wide = Field(5, 0, 5), Field(6, 0, 8, signed=True)
    copy, flat = Field(7, 0, 8, signed=True), Field(8, 3, 4, across=True)
    weights = Field(13, 0, 3, signed=True)
    code = [
        macro(Op.GATHER, a, imm=0),
        macro(Op.GATHER, b, imm=1),
        macro(Op.ADDO, total, a, b),
        macro(Op.CONST, wide, imm=0),
        macro(Op.SUBO, wide, a, b, fresh=True),
        macro(Op.COPY, copy, wide),
        macro(Op.ADDC, copy, imm=1),
        macro(Op.SUB, copy, total.bits(1)),
        macro(Op.EXTEND, wide, from_width=5),
        macro(Op.MAX, copy, wide),
        macro(Op.STEP, flat, copy, imm=2),
        macro(Op.CLAMP, Field(12, 2, 6, signed=True), copy, imm=4),
        macro(Op.MAC, copy, weights, imm=2, broadcast=IntType(4, False)),
    ]
    tail = tile(
        code,
        [0, -7, 1, 9, -20, 20],
        [(1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0)],
        [("gather", 0), ("sum 0", 2), ("requantise", 10)],
    )
    every = LayerProgram(
        name="every",
        op="Add",
        output=2,
        row_maps=np.array([(1, 1, 0, 0), (0, 0, 1, 2)], ROW_MAP),
        tiles=[tail],
        statistics={"nonzero_weights": 0, "adds_naive": 1, "adds": 3, "bit_adds": 21, "groups": 1},
        resident_fields=fields((0, weights)),
        resident_values=np.repeat(np.arange(-4, 4, dtype=np.int32), 2)[None],
    )

    return Program(
        name="tiny",
        model_sha256="5f" * 32,
        level="O0",
        passes=["lower", "place{orientation=along}"],
        target=deepcopy(TINY_TARGET),
        tensors=[
            StoredTensor("image", (2, 4, 4), -1, image),
            StoredTensor("conv", (2, 4, 4), 0, fields((0, clamped), (1, clamped))),
            StoredTensor("every", (2, 4, 4), 1, fields((0, flat), (0, Field(12, 2, 6, signed=True)))),
        ],
        layers=[conv, every],
        inputs=[
            Boundary(
                name="image",
                tensor=0,
                shape=(None, 2, 4, 4),
                dtype="float32",
                dtype_int=IntType(4, False),
                lo=0,
                hi=15,
                scale=np.array([0.1], np.float32),
                zero_point=np.array([0]),
            )
        ],
        outputs=[
            Boundary(
                name="scores",
                tensor=2,
                shape=(None, 2, 4, 4),
                dtype="float32",
                dtype_int=IntType(6, True),
                lo=-20,
                hi=20,
                scale=np.array([0.25, 1 / 3], np.float64),
                zero_point=np.array([0, 1]),
                offset=np.array([0.0, -1.5], np.float32),
            )
        ],
        model=bytes(range(256)),
        graph_text="%image = input() : u4[2x4x4] in [0, 15]\n%conv = conv(%image) : u4[2x4x4] in [0, 15]",
        host_steps=[{"name": "softmax", "operator": "Softmax", "bytes_per_image": 128}],
    )


_SLOTS = ((3, 7), (7, 11), (11, 16))
"""Column ranges that keep the operands of a random instruction apart."""


def random_field(rng: np.random.Generator, columns: tuple[int, int], width: int | None = None) -> Field:
    """A field of the tiny target's arrays that stays within ``columns``."""
    low, high = columns
    across = bool(rng.integers(2)) and (width is None or width <= high - low)
    if width is None:
        width = int(rng.integers(1, (high - low if across else 20) + 1))
    room = (high - low - width, 31) if across else (high - low - 1, 32 - width)
    column, domain = low + int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
    return Field(column, domain, width, bool(rng.integers(2)), across)


def random_instruction(
    rng: np.random.Generator, constants: int, source_widths: np.ndarray, still: np.ndarray
) -> np.ndarray:
    """Any legal instruction for a tile with so many ``constants`` (at least 2) and these gathers, of which those that
    are ``still`` (bool) may be broadcast."""
    possible = set(Op) - ({Op.GATHER} if not len(still) else set()) - ({Op.MAC} if not still.any() else set())
    op = Op(int(rng.choice(sorted(possible))))
    slots = [_SLOTS[i] for i in rng.permutation(3)]
    if op == Op.GATHER:
        index = int(rng.integers(len(source_widths)))
        fresh = bool(rng.integers(2))
        return macro(op, random_field(rng, slots[0], int(source_widths[index])), imm=index, fresh=fresh)
    r = random_field(rng, slots[0])
    if op == Op.MAC:
        index = int(rng.choice(np.flatnonzero(still)))
        taken = IntType(int(rng.integers(1, min(r.width, source_widths[index]) + 1)), bool(rng.integers(2)))
        return macro(op, r, random_field(rng, slots[1]), imm=index, broadcast=taken)
    names, immediate = isa.OPERANDS[op]
    others = [random_field(rng, slot) for slot in slots[1 : len(names)]]
    if op == Op.MAX:
        alike = random_field(rng, slots[1], r.width)
        others = [Field(alike.column, alike.domain, alike.width, r.signed, alike.across)]
    if op == Op.EXTEND:
        r = Field(r.column, r.domain, max(r.width, 2), r.signed) if r.width < 2 else r
        r = Field(r.column, min(r.domain, 30), r.width, r.signed) if r.width == 2 and not r.across else r
        return macro(op, r, from_width=int(rng.integers(1, r.width)))
    fresh = may_be_fresh(op, r, *others) and bool(rng.integers(2))
    return macro(op, r, *others, imm=int(rng.integers(constants - 1)) if immediate else 0, fresh=fresh)


_NAMES = st.text(max_size=8)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Well-formed programs of one to three layers with every kind of content; meant to be stored, not to be useful."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    program = tiny_program()
    image = program.tensors[0]
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    image.name, image.shape = draw(_NAMES), shape
    image.fields = fields(*((0, Field(0, 0, int(rng.integers(1, 21)), bool(rng.integers(2)))) for _ in range(shape[0])))
    program.tensors, program.layers = [image], []
    for index in range(draw(st.integers(1, 3))):
        program.layers.append(_random_layer(draw, rng, program, index))
    program.name, program.model_sha256, program.level = draw(_NAMES), draw(_NAMES), draw(_NAMES)
    program.passes = draw(st.lists(_NAMES, max_size=3))
    program.encoding = draw(st.sampled_from(ENCODINGS))
    program.graph_text, program.model = draw(st.text(max_size=40)), draw(st.binary(max_size=40))
    program.host_steps = draw(
        st.lists(
            st.fixed_dictionaries({"name": _NAMES, "operator": _NAMES, "bytes_per_image": st.integers(0, 2**40)}),
            max_size=2,
        )
    )
    program.inputs = [_random_boundary(draw, 0, shape[0], draw(_NAMES))]
    names = draw(st.lists(_NAMES, min_size=1, max_size=3, unique=True))
    chosen = [int(rng.integers(len(program.tensors))) for _ in names]
    program.outputs = [
        _random_boundary(draw, tensor, program.tensors[tensor].channels, name)
        for tensor, name in zip(chosen, names, strict=True)
    ]
    return program


def _random_layer(draw: st.DrawFn, rng: np.random.Generator, program: Program, index: int) -> LayerProgram:
    row_maps = np.zeros(int(rng.integers(1, 4)), ROW_MAP)
    for key in ROW_MAP.names or ():
        row_maps[key] = rng.integers(-1000, 1000, len(row_maps))
    row_maps[0]["stride_y"] = row_maps[0]["stride_x"] = 0
    tiles = [_random_tile(draw, rng, program.tensors, len(row_maps)) for _ in range(draw(st.integers(1, 2)))]
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    places = [(int(rng.integers(len(tiles))), random_field(rng, (3, 16))) for _ in range(shape[0])]
    program.tensors.append(StoredTensor(draw(_NAMES), shape, index, fields(*places)))
    statistics = draw(st.dictionaries(_NAMES, st.integers(-(2**62), 2**62), max_size=3))
    resident = [place for place in (random_field(rng, (3, 16)) for _ in range(3)) if not _written(tiles[0], place)]
    values = (
        rng.integers(0, 1 << (resident[0].width - resident[0].signed), (1, shape[1] * shape[2])) if resident else []
    )
    held = fields(*((0, place) for place in resident[:1]))
    loaded = np.array(values, np.int32).reshape(len(held), -1 if resident else 0)
    return LayerProgram(draw(_NAMES), draw(_NAMES), index + 1, row_maps, tiles, statistics, held, loaded)


def _written(code: Tile, place: Field) -> bool:
    """Does an instruction write to a cell of ``place``?"""
    cells = {place.cell(bit) for bit in range(place.width)}
    results = [operand_fields(record)["r"] for record in code.instructions]
    return any(result.cell(bit) in cells for result in results for bit in range(result.width))


def _random_tile(draw: st.DrawFn, rng: np.random.Generator, tensors: list[StoredTensor], row_maps: int) -> Tile:
    constants = draw(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2), min_size=2, max_size=6))
    gathers = np.zeros(int(rng.integers(0, 5)), GATHER)
    widths = np.zeros(len(gathers), np.uint8)
    for number in range(len(gathers)):
        tensor = int(rng.integers(len(tensors)))
        channel = int(rng.integers(tensors[tensor].channels))
        gathers[number] = (tensor, channel, rng.integers(row_maps), 0)
        widths[number] = tensors[tensor].fields["width"][channel]
    still = gathers["row_map"] == 0
    code = [random_instruction(rng, len(constants), widths, still) for _ in range(draw(st.integers(0, 12)))]
    phases = [(draw(_NAMES), int(start)) for start in sorted(rng.integers(0, len(code) + 1, draw(st.integers(0, 3))))]
    return Tile(np.array(code, isa.RECORD), np.array(constants, np.int64), gathers, phases)


def _random_boundary(draw: st.DrawFn, tensor: int, channels: int, name: str) -> Boundary:
    bits = draw(st.integers(1, 63))
    dtype_int = IntType(bits, draw(st.booleans()))
    length = draw(st.sampled_from([1, channels]))
    positive = draw(st.lists(st.floats(2.0**-100, 2.0**100, width=32), min_size=length, max_size=length))
    integers = draw(st.lists(st.integers(-(2**40), 2**40), min_size=length, max_size=length))
    plain = draw(st.booleans())
    return Boundary(
        name=name,
        tensor=tensor,
        shape=tuple(draw(st.lists(st.none() | st.integers(0, 300), max_size=4))),
        dtype=draw(st.sampled_from(["float32", "uint8", "int64", "float64"])),
        dtype_int=dtype_int,
        lo=dtype_int.min,
        hi=dtype_int.max,
        scale=None if plain else np.array(positive, draw(st.sampled_from([np.float32, np.float64]))),
        zero_point=None if plain else np.array(integers, np.int64),
        offset=np.array(positive, np.float32) if draw(st.booleans()) else None,
    )
