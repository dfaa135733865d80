"""Random legal programs for the tests of the engines, drawn through hypothesis' Random so that failures shrink."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np

from ir.isa import FLAG_COLUMNS, FRESH, OPERANDS, RECORD, Field, Op
from ir.program import FIELD, GATHER, ROW_MAP, Boundary, LayerProgram, Program, StoredTensor, Tile
from ir.types import IntType
from tests.programs import fields as places
from tests.programs import macro, may_be_fresh

COLUMNS, DOMAINS, MOST_BITS = 44, 16, 12
STILL = 1
"""The row map of every layer that takes all rows of an image to one position."""


def columns_of(place: Field) -> set[int]:
    return set(range(place.column, place.column + (place.width if place.across else 1)))


def random_field(random: Random, width: int | None = None, signed: bool | None = None) -> Field:
    width = random.randint(1, MOST_BITS) if width is None else width
    across = random.random() < 0.4
    return Field(
        random.randint(FLAG_COLUMNS, COLUMNS - (width if across else 1)),
        random.randint(0, DOMAINS - (1 if across else width)),
        width,
        random.random() < 0.5 if signed is None else signed,
        across,
    )


class TileBuilder:
    """Draws instructions; operands are mostly fields that earlier instructions used."""

    def __init__(self, random: Random, tensors: list[StoredTensor], row_maps: int) -> None:
        self.random = random
        self.tensors = tensors
        self.row_maps = row_maps
        self.known: list[Field] = []
        self.records: list[np.ndarray] = []
        self.constants: list[int] = []
        self.gathers: list[tuple[int, int, int, int]] = []
        drawn = random_field(random)
        extent = len(columns_of(drawn))  # far from where other fields shrink to
        self.resident = replace(drawn, column=COLUMNS - extent - (drawn.column - FLAG_COLUMNS))

    def place(self, taken: set[int], width: int | None = None, signed: bool | None = None) -> Field:
        """A field outside the columns ``taken``."""
        for _ in range(1000):
            if self.known and self.random.random() < 0.7:
                old = self.random.choice(self.known)
                chosen = Field(old.column, old.domain, old.width, old.signed if signed is None else signed, old.across)
                if width is not None and chosen.width != width:
                    continue
            else:
                chosen = random_field(self.random, width, signed)
            if not columns_of(chosen) & taken:
                self.known.append(chosen)
                return chosen
        raise AssertionError("no room for an operand")

    def integer(self, bits: int) -> int:
        return self.random.randint(-(1 << bits), 1 << bits)

    def entry(self, row_map: int) -> IntType:
        """Add an entry to the gather table; returns the type of its source."""
        tensor = self.random.randrange(len(self.tensors))
        channel = self.random.randrange(self.tensors[tensor].channels)
        source = self.tensors[tensor].fields[channel]
        width, signed = int(source["width"]), bool(source["signed"])
        kind = IntType(width, signed)
        self.gathers.append((tensor, channel, row_map, self.random.randint(kind.min, kind.max)))
        return kind

    def gather(self) -> None:
        kind = self.entry(self.random.randrange(self.row_maps))
        target = self.place(columns_of(self.resident), kind.bits)
        fresh = self.random.random() < 0.3
        self.records.append(macro(Op.GATHER, target, imm=len(self.gathers) - 1, fresh=fresh))

    def multiply(self) -> None:
        """A MAC, whose row map is the one that stands still."""
        kind = self.entry(STILL)
        r = self.place(columns_of(self.resident))
        a = self.resident if self.random.random() < 0.5 else self.place(columns_of(r))
        taken = IntType(self.random.randint(1, min(kind.bits, r.width)), self.random.random() < 0.5)
        self.records.append(macro(Op.MAC, r, a, imm=len(self.gathers) - 1, broadcast=taken))

    def draw(self) -> None:
        """Append one random instruction."""
        op = self.random.choice(list(Op))
        if op == Op.GATHER:
            self.gather()
            return
        if op == Op.MAC:
            self.multiply()
            return
        operands: dict[str, Field] = {}
        taken: set[int] = set()
        unsigned = op in FRESH and self.random.random() < 0.5  # as a fresh top bit needs it
        for name in OPERANDS[op][0]:
            like = operands["r"] if op == Op.MAX and name == "a" else None
            signed = like.signed if like else False if unsigned and name != "r" else None
            held = columns_of(self.resident) if name == "r" else set()
            operands[name] = self.place(taken | held, like.width if like else None, signed)
            taken |= columns_of(operands[name])
        imm = len(self.constants)
        if op == Op.EXTEND:
            if operands["r"].width == 1:
                return
            self.records.append(macro(op, operands["r"], from_width=self.random.randint(1, operands["r"].width - 1)))
            return
        if op in (Op.CONST, Op.ADDC):
            self.constants.append(self.integer(MOST_BITS))
        elif op == Op.CLAMP:
            self.constants += sorted((self.integer(operands["a"].width), self.integer(operands["a"].width)))
        elif op == Op.STEP:
            self.constants += [self.integer(operands["a"].width), self.integer(MOST_BITS)]
        else:
            imm = 0
        fresh = may_be_fresh(op, *operands.values()) and self.random.random() < 0.7
        self.records.append(macro(op, operands["r"], operands.get("a"), operands.get("b"), imm=imm, fresh=fresh))

    def tile(self) -> Tile:
        return Tile(
            np.array(self.records, RECORD),
            np.array(self.constants, np.int64),
            np.array(self.gathers, GATHER),
            [("all", 0)],
        )


def input_tensor(random: Random) -> StoredTensor:
    channels = random.randint(1, 4)
    fields = np.zeros(channels, FIELD)
    fields["width"] = [random.randint(1, MOST_BITS) for _ in range(channels)]
    fields["signed"] = [random.randint(0, 1) for _ in range(channels)]
    return StoredTensor("image", (channels, random.randint(1, 9), random.randint(1, 9)), -1, fields)


def random_layer(random: Random, tensors: list[StoredTensor], index: int, length: int) -> LayerProgram:
    """A layer after ``tensors``, to which it appends its output."""
    row_maps = np.array(
        [tuple(random.randint(low, high) for low, high in ((0, 2), (0, 2), (-2, 2), (-2, 2))) for _ in range(3)],
        ROW_MAP,
    )
    row_maps[0] = (1, 1, random.randint(-1, 1), random.randint(-1, 1))
    row_maps[STILL] = (0, 0, random.randint(-1, 2), random.randint(-1, 2))
    tiles = []
    resident = []
    fields: list[tuple[int, ...]] = []
    for number in range(random.randint(1, 2)):
        builder = TileBuilder(random, tensors, len(row_maps))
        for _ in range(3):
            builder.gather()
        for _ in range(length):
            builder.draw()
        tiles.append(builder.tile())
        resident.append(builder.resident)
        for _ in range(random.randint(1, 3)):
            stored = random.choice(builder.known)
            fields.append((number, stored.column, stored.domain, stored.width, stored.signed, stored.across))
    random.shuffle(fields)
    shape = (len(fields), random.randint(1, 15), random.randint(1, 15))
    tensors.append(StoredTensor(f"t{index}", shape, index, np.array(fields, FIELD)))
    generator = np.random.default_rng(random.randint(0, 1 << 30))
    bounds = [IntType(place.width, place.signed) for place in resident]
    values = [generator.integers(kind.min, kind.max + 1, shape[1] * shape[2]) for kind in bounds]
    return LayerProgram(
        f"layer{index}", "test", len(tensors) - 1, row_maps, tiles, {}, places(*enumerate(resident)),
        np.array(values, np.int32),
    )  # fmt: skip


def target_table(row_gate_rows: int, search_or: bool = True, entering_bit: int = 0) -> dict[str, Any]:
    array = {"rows": 256, "columns": COLUMNS, "domains": DOMAINS, "row_gate_rows": row_gate_rows}
    wire = {"guard_domains": 0, "entering_bit": entering_bit}
    return {"array": array, "wire": wire, "features": {"search_or": search_or}}


def program_of(tensors: list[StoredTensor], layers: list[LayerProgram], target: dict[str, Any]) -> Program:
    """A program from its first tensor to its last."""
    kind = IntType(MOST_BITS + 1, True)
    ends = [
        Boundary(name, number, (None, *tensors[number].shape), "int32", kind, kind.min, kind.max)
        for name, number in (("image", 0), ("result", len(tensors) - 1))
    ]
    return Program("random", "", "O0", [], target, tensors, layers, ends[:1], ends[1:])


def random_program(random: Random, layers: int = 2, length: int = 12) -> Program:
    tensors = [input_tensor(random)]
    programs = [random_layer(random, tensors, index, length) for index in range(layers)]
    target = target_table(random.choice((64, 128)), random.random() < 0.5, random.randint(0, 1))
    return program_of(tensors, programs, target)


def random_images(random: Random, tensor: StoredTensor, batch: int) -> np.ndarray:
    """int64 (batch, C, H, W), every value of the channel's field as likely."""
    generator = np.random.default_rng(random.randint(0, 1 << 30))
    bounds = [IntType(int(place["width"]), bool(place["signed"])) for place in tensor.fields]
    channels = [generator.integers(kind.min, kind.max + 1, (batch, *tensor.shape[1:])) for kind in bounds]
    return np.stack(channels, axis=1).astype(np.int64)
