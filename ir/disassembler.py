"""Program -> assembly text (docs/assembly.md)."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from ir import isa
from ir.isa import OPERANDS, Field, Op, gather_index
from ir.operand_text import PAIRS, SINGLES, ConstantPool, GatherPool
from ir.program import PLAIN, Boundary, LayerProgram, Program, StoredTensor, Tile

FORMAT_VERSION = 1
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_OPERAND_WIDTH = 13
_MNEMONIC_WIDTH = 7
_CONSTANTS_A_LINE = 16
_MODEL_CHARACTERS_A_LINE = 4096
_BITS = {
    "r": (isa.R_SIGNED, isa.R_ACROSS),
    "a": (isa.A_SIGNED, isa.A_ACROSS),
    "b": (isa.B_SIGNED, isa.B_ACROSS),
}


def program_lines(program: Program) -> Iterator[str]:
    """The lines of ``program``, without line ends. ``program`` must be verified (ir.verify_program)."""
    yield "; apc assembly: docs/assembly.md"
    yield f"format {FORMAT_VERSION}"
    yield f"program {quote(program.name)}"
    yield f"model {quote(program.model_sha256)}"
    yield from _model_lines(program.model)
    yield f"level {quote(program.level)}"
    if program.encoding != PLAIN:
        yield f"encoding {quote(program.encoding)}"
    yield from (f"pass {quote(name)}" for name in program.passes)
    yield from _table_lines(program.target, [])
    if program.graph_text:
        yield from (f"graph {quote(line)}" for line in program.graph_text.split("\n"))
    for step in program.host_steps:
        operator, size = quote(step["operator"]), step["bytes_per_image"]
        yield f"host_step {quote(step['name'])} operator {operator} bytes_per_image {size}"
    for index, tensor in enumerate(program.tensors):
        yield from _tensor_lines(index, tensor)
    for kind, boundaries in (("input", program.inputs), ("output", program.outputs)):
        for boundary in boundaries:
            yield from _boundary_lines(kind, boundary)
    texts = FieldTexts()
    for index, layer in enumerate(program.layers):
        yield from _layer_lines(index, layer, texts)


def quote(text: str) -> str:
    """A JSON string in ASCII."""
    return json.dumps(text)


def _model_lines(model: bytes) -> Iterator[str]:
    packed = base64.b64encode(zlib.compress(model)).decode() if model else ""
    for start in range(0, len(packed), _MODEL_CHARACTERS_A_LINE):
        yield f"onnx {packed[start : start + _MODEL_CHARACTERS_A_LINE]}"


def _key(name: str) -> str:
    return name if _KEY.fullmatch(name) else quote(name)


def _table_lines(value: Any, path: list[str]) -> Iterator[str]:
    """One line a leaf of the target's nested tables."""
    if isinstance(value, dict) and (value or path):
        if not value:
            yield f"target {'.'.join(path)} = {{}}"
        for key, item in value.items():
            yield from _table_lines(item, [*path, _key(key)])
    elif path:
        yield f"target {'.'.join(path)} = {json.dumps(value, allow_nan=False)}"


def _tensor_lines(index: int, tensor: StoredTensor) -> Iterator[str]:
    producer = "input" if tensor.producer == -1 else f"layer {tensor.producer}"
    yield ""
    yield f"tensor t{index} {quote(tensor.name)} shape {'x'.join(map(str, tensor.shape))} from {producer}"
    for tile, column, domain, width, signed, across in tensor.fields.tolist():
        if tensor.producer == -1:
            yield f"  channel {'s' if signed else 'u'}{width}"
        else:
            yield f"  channel {field_text(Field(column, domain, width, bool(signed), bool(across)))} tile {tile}"


def _boundary_lines(kind: str, boundary: Boundary) -> Iterator[str]:
    shape, interval = json.dumps(boundary.shape), json.dumps([boundary.lo, boundary.hi])
    yield ""
    yield (
        f"{kind} {quote(boundary.name)} t{boundary.tensor} shape {shape} {boundary.dtype} {boundary.dtype_int} "
        f"in {interval}"
    )
    for name, array in (("scale", boundary.scale), ("zero_point", boundary.zero_point), ("offset", boundary.offset)):
        if array is not None:
            yield f"  {name} {array.dtype} {json.dumps(array.tolist(), allow_nan=False)}"


def _layer_lines(index: int, layer: LayerProgram, texts: FieldTexts) -> Iterator[str]:
    yield ""
    yield f"layer {index} {quote(layer.name)} op {quote(layer.op)} -> t{layer.output}"
    yield from (f"  statistic {_key(key)} {value}" for key, value in layer.statistics.items())
    for number, (stride_y, stride_x, offset_y, offset_x) in enumerate(layer.row_maps.tolist()):
        yield f"  row_map {number} stride {stride_y} {stride_x} offset {offset_y} {offset_x}"
    for place, values in zip(layer.resident_fields.tolist(), layer.resident_values.tolist(), strict=True):
        tile_number, column, domain, width, signed, across = place
        yield f"  resident {field_text(Field(column, domain, width, bool(signed), bool(across)))} tile {tile_number}"
        for start in range(0, len(values), _CONSTANTS_A_LINE):
            yield f"    values {' '.join(map(str, values[start : start + _CONSTANTS_A_LINE]))}"
    for number, tile in enumerate(layer.tiles):
        yield f"  tile {number}"
        yield from _tile_lines(tile, texts)


def _tile_lines(tile: Tile, texts: FieldTexts) -> Iterator[str]:
    immediates, tables = _immediates(tile)
    yield from tables
    lines = (f"      {line}" for line in instruction_lines(tile, 0, len(tile.instructions), texts, immediates))
    start = 0
    for name, first in tile.phases:
        yield from islice(lines, first - start)
        yield f"    phase {quote(name)}"
        start = first
    yield from lines


def instruction_lines(
    tile: Tile, start: int, stop: int, texts: FieldTexts | None = None, immediates: dict[int, str] | None = None
) -> Iterator[str]:
    """Instructions [start, stop) as text: address, mnemonic, operands, immediate."""
    texts = FieldTexts() if texts is None else texts
    immediates = _immediates(tile)[0] if immediates is None else immediates
    code = tile.instructions[start:stop]
    columns = {}
    for operand, (signed, across) in _BITS.items():
        used = np.isin(code["op"], [op for op, (operands, _) in OPERANDS.items() if operand in operands])
        key = code[f"{operand}_column"].astype(np.int64) << 32
        key |= code[f"{operand}_domain"].astype(np.int64) << 16
        key |= code[f"{operand}_width"].astype(np.int64) << 2
        key |= ((code["flags"] & signed) != 0).astype(np.int64) << 1 | ((code["flags"] & across) != 0)
        columns[operand] = map(texts.__getitem__, np.where(used, key, 0).tolist())
    mnemonics = {int(op): f"{op.name.lower():<{_MNEMONIC_WIDTH}}" for op in Op}
    rows = zip(code["op"].tolist(), columns["r"], columns["a"], columns["b"], strict=True)
    for address, (op, r, a, b) in enumerate(rows, start):
        yield f"0x{address:04x}  {mnemonics[op]} {r}{a}{b}{immediates.get(address, '')}".rstrip()


def field_text(field: Field) -> str:
    """``c<column>.d<domain>:<width>``, then ``s`` where signed, ``x`` where across columns."""
    return f"c{field.column}.d{field.domain}:{field.width}{'s' * field.signed}{'x' * field.across}"


class FieldTexts(dict[int, str]):
    """column << 32 | domain << 16 | width << 2 | signed << 1 | across -> padded text, "" for 0."""

    def __missing__(self, key: int) -> str:
        field = Field(key >> 32, key >> 16 & 0xFFFF, key >> 2 & 0xFF, bool(key & 2), bool(key & 1))
        text = f"{field_text(field):<{_OPERAND_WIDTH}} " if key else ""
        self[key] = text
        return text


def _immediates(tile: Tile) -> tuple[dict[int, str], list[str]]:
    """(what follows the operands, by address; the lines that declare tables the instructions do not imply)."""
    code = tile.instructions
    flags = code["flags"]
    texts: dict[int, str] = {}
    for address in np.flatnonzero(code["op"] == Op.EXTEND).tolist():
        texts[address] = f"from={code['a_width'][address]}"
    constants, constant_lines = _constant_texts(tile)
    gathers, gather_lines = _gather_texts(tile)
    texts |= constants | gathers
    for address in np.flatnonzero(flags & isa.R_FRESH).tolist():
        texts[address] = f"{texts.get(address, '')} fresh".lstrip()
    return texts, constant_lines + gather_lines


def _constant_texts(tile: Tile) -> tuple[dict[int, str], list[str]]:
    op, table = tile.instructions["op"], tile.constants.tolist()
    addresses = np.flatnonzero(np.isin(op, [*SINGLES, *PAIRS]))
    paired = np.isin(op[addresses], PAIRS).tolist()
    uses = list(zip(addresses.tolist(), tile.instructions["imm"][addresses].tolist(), paired, strict=True))

    def look_up(pool: ConstantPool) -> list[int]:
        return [pool.pair(table[i], table[i + 1]) if two else pool.single(table[i]) for _, i, two in uses]

    pool = ConstantPool()
    lines: list[str] = []
    found = look_up(pool)
    if pool.values != table or found != [index for _, index, _ in uses]:
        found = look_up(ConstantPool(table))
        for start in range(0, len(table), _CONSTANTS_A_LINE):
            lines.append(f"    constants {' '.join(map(str, table[start : start + _CONSTANTS_A_LINE]))}")
    texts = {}
    for (address, index, two), meant in zip(uses, found, strict=True):
        value = f"#{table[index]},{table[index + 1]}" if two else f"#{table[index]}"
        texts[address] = value if index == meant else f"{value} at={index}"
    return texts, lines


def _gather_texts(tile: Tile) -> tuple[dict[int, str], list[str]]:
    table = tile.gathers.tolist()
    addresses = np.flatnonzero(np.isin(tile.instructions["op"], isa.GATHERING))
    indices = gather_index(tile.instructions[addresses]).tolist()
    pool = GatherPool()
    lines: list[str] = []
    found = [pool.find(table[index]) for index in indices]
    if pool.entries != table or found != indices:
        pool = GatherPool(table)
        found = [pool.find(table[index]) for index in indices]
        lines = [f"    gathers {_gather_text(entry)}" for entry in table]
    texts = {}
    for address, index, meant in zip(addresses.tolist(), indices, found, strict=True):
        value = _gather_text(table[index])
        record = tile.instructions[address]
        if record["op"] == Op.MAC:
            value += f" x={'s' if record['flags'] & isa.B_SIGNED else 'u'}{record['b_width']}"
        texts[address] = value if index == meant else f"{value} at={index}"
    return texts, lines


def _gather_text(entry: tuple[int, int, int, int]) -> str:
    tensor, channel, row_map, pad_value = entry
    return f"t{tensor}[{channel}] map={row_map} pad={pad_value}"
