"""Small hand-written programs that several tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

from backends.target import load_target
from ir import isa
from ir.isa import Field, Op
from ir.program import FIELD, GATHER, ROW_MAP, Boundary, LayerProgram, Program, StoredTensor, Tile
from ir.types import IntType

TINY_TARGET: dict[str, Any] = load_target(
    "rtm-ap-published",
    ["rows=64", "columns=16", "domains=32", "search_cycles=1", "write_cycles=4", "shift_cycles=2", "search_or=false"],
).as_table()


def macro(
    op: Op,
    r: Field,
    a: Field | None = None,
    b: Field | None = None,
    imm: int = 0,
    from_width: int = 0,
    cleared: bool = False,
) -> np.ndarray:
    """One RECORD. ``imm``: constant or gather index; ``from_width``: EXTEND's a_width."""
    record = np.zeros((), isa.RECORD)
    record["op"] = op
    flags = isa.R_CLEARED if cleared else 0
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
    return record


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
        return tile(code, [bias, 0, 15], gathers, [("gather", 0), ("group 0", 3), ("requantise", 7)])

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
    code = [
        macro(Op.GATHER, a, imm=0),
        macro(Op.GATHER, b, imm=1),
        macro(Op.ADDO, total, a, b),
        macro(Op.CONST, wide, imm=0),
        macro(Op.SUBO, wide, a, b, cleared=True),
        macro(Op.COPY, copy, wide),
        macro(Op.ADDC, copy, imm=1),
        macro(Op.SUB, copy, total.bits(1)),
        macro(Op.EXTEND, wide, from_width=5),
        macro(Op.MAX, copy, wide),
        macro(Op.STEP, flat, copy, imm=2),
        macro(Op.CLAMP, Field(12, 2, 6, signed=True), copy, imm=4),
    ]
    tail = tile(
        code,
        [0, -7, 1, 9, -20, 20],
        [(1, 0, 0, 0), (1, 1, 0, 0)],
        [("gather", 0), ("group 0", 2), ("requantise", 10)],
    )
    every = LayerProgram(
        name="every",
        op="Add",
        output=2,
        row_maps=np.array([(1, 1, 0, 0)], ROW_MAP),
        tiles=[tail],
        statistics={"nonzero_weights": 0, "adds_naive": 1, "adds": 3, "bit_adds": 21, "groups": 1},
    )

    return Program(
        name="tiny",
        model_sha256="5f" * 32,
        level="O0",
        passes=["lower", "place{orientation=along}"],
        target=TINY_TARGET,
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
