"""Is a Program well formed: every index, column, domain and width in range, every reference defined before its use.

What passes here can be printed, saved, counted and simulated without another bounds check.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ir import isa
from ir.errors import UserError
from ir.isa import OPERANDS, Op, gather_index
from ir.program import (
    ENCODINGS,
    FIELD,
    GATHER,
    ROW_MAP,
    Boundary,
    LayerProgram,
    Program,
    StoredTensor,
    Tile,
    gathered_fields,
)

MAX_ELEMENTS = 1 << 31
"""A stored tensor has fewer elements than this per image."""

MAX_STRIDE = 1 << 20
"""Strides and offsets of row maps stay below this in magnitude."""

MAX_WIDTH = 63

MAX_RESIDENT_WIDTH = 31
"""Their values are kept as int32."""

BOUNDARY_DTYPES = ("float16", "float32", "float64", "bool", *(f"{u}int{n}" for n in (8, 16, 32, 64) for u in ("", "u")))


class ProgramError(UserError):
    """The program breaks a rule; the message says which layer, tile and instruction."""


def verify_program(program: Program) -> None:
    """Raise ProgramError at the first rule that ``program`` breaks."""
    columns, domains = array_shape(program)
    known = ", ".join(ENCODINGS)
    _require(program.encoding in ENCODINGS, "program", f"the encoding {program.encoding!r} is none of {known}")
    _check_tensors(program)
    for index, layer in enumerate(program.layers):
        where = f"layer {index} ({layer.name})"
        _check_layer(program, index, where)
        for number, tile in enumerate(layer.tiles):
            _check_tile(program, index, tile, columns, domains, f"{where} tile {number}")
        fields = program.tensors[layer.output].fields
        _check_fields(fields, len(layer.tiles), columns, domains, f"{where} output")
        _check_resident(program, layer, columns, domains, f"{where} resident")
    _check_boundaries(program)


def array_shape(program: Program) -> tuple[int, int]:
    """(columns, domains) of the arrays that the program was compiled for."""
    array = program.target.get("array")
    if not isinstance(array, dict):
        raise ProgramError("the target has no table 'array'")
    sizes = []
    for key, most in (("columns", 1 << 16), ("domains", 1 << 8)):
        size = array.get(key)
        if type(size) is not int or not 1 <= size <= most:
            raise ProgramError(f"the target's array.{key} must be an integer from 1 to {most}, not {size!r}")
        sizes.append(size)
    return sizes[0], sizes[1]


def _require(condition: bool, where: str, reason: str) -> None:
    if not condition:
        raise ProgramError(f"{where}: {reason}")


def _require_array(array: np.ndarray, dtype: np.dtype, where: str) -> None:
    _require(
        isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == 1,
        where,
        f"must be a one-dimensional array of {dtype}",
    )


def _check_tensors(program: Program) -> None:
    fed = sorted(boundary.tensor for boundary in program.inputs)
    waiting = [index for index, tensor in enumerate(program.tensors) if tensor.producer == -1]
    _require(fed == waiting, "program", "every tensor without a producer must belong to exactly one input")
    for index, tensor in enumerate(program.tensors):
        where = f"tensor {index} ({tensor.name})"
        _require(
            len(tensor.shape) == 3 and all(type(size) is int and size >= 1 for size in tensor.shape),
            where,
            f"the shape must be three positive integers, not {tensor.shape}",
        )
        _require(tensor.channels * tensor.positions < MAX_ELEMENTS, where, f"the shape {tensor.shape} is too large")
        _require_array(tensor.fields, FIELD, f"{where} fields")
        _require(len(tensor.fields) == tensor.channels, where, "there must be one field a channel")
        widths = tensor.fields["width"]
        _require(bool(((widths >= 1) & (widths <= MAX_WIDTH)).all()), where, f"widths must be 1 to {MAX_WIDTH}")
        flags = np.maximum(tensor.fields["signed"], tensor.fields["across"])
        _require(bool((flags <= 1).all()), where, "signed and across must be 0 or 1")
        if tensor.producer == -1:
            placed = [tensor.fields[key].any() for key in ("tile", "column", "domain", "across")]
            _require(not any(placed), where, "an input has no place in the arrays")
        else:
            _require(0 <= tensor.producer < len(program.layers), where, f"there is no layer {tensor.producer}")
            _require(program.layers[tensor.producer].output == index, where, "its producer computes another tensor")


def _check_layer(program: Program, index: int, where: str) -> None:
    layer = program.layers[index]
    _require(0 <= layer.output < len(program.tensors), where, f"there is no tensor {layer.output}")
    _require(program.tensors[layer.output].producer == index, where, "its output has another producer")
    _require(len(layer.tiles) >= 1, where, "a layer has at least one tile")
    _require_array(layer.row_maps, ROW_MAP, f"{where} row maps")
    for key in ROW_MAP.names or ():
        sizes = np.abs(layer.row_maps[key].astype(np.int64))
        _require(bool((sizes < MAX_STRIDE).all()), where, f"a row map's {key} is out of range")


def _check_tile(program: Program, index: int, tile: Tile, columns: int, domains: int, where: str) -> None:
    layer = program.layers[index]
    _require_array(tile.instructions, isa.RECORD, f"{where} instructions")
    _require_array(tile.constants, np.dtype(np.int64), f"{where} constants")
    _require_array(tile.gathers, GATHER, f"{where} gathers")
    _check_gathers(program, index, layer, tile, where)
    starts = [start for _, start in tile.phases]
    _require(
        starts == sorted(starts) and all(0 <= start <= len(tile.instructions) for start in starts),
        where,
        "phases must start at instructions of the tile, in order",
    )
    still = (layer.row_maps["stride_y"] == 0) & (layer.row_maps["stride_x"] == 0)
    source_widths = gathered_fields(tile, program.tensors)["width"]
    wrong = first_illegal(tile, source_widths, still[tile.gathers["row_map"]], columns, domains)
    if wrong is not None:
        address, reason = wrong
        raise ProgramError(f"{where} instruction 0x{address:04x}: {reason}")


def _check_gathers(program: Program, index: int, layer: LayerProgram, tile: Tile, where: str) -> None:
    gathers = tile.gathers
    if not len(gathers):
        return
    _require(int(gathers["tensor"].max()) < len(program.tensors), where, "a gather names a tensor that does not exist")
    _require(int(gathers["row_map"].max()) < len(layer.row_maps), where, "a gather names a row map that does not exist")
    for number in np.unique(gathers["tensor"]):
        tensor = program.tensors[number]
        _require(tensor.producer < index, where, f"gathers tensor {number}, which is computed later")
        chosen = gathers[gathers["tensor"] == number]
        highest = int(chosen["channel"].max())
        _require(highest < tensor.channels, where, f"tensor {number} has no channel {highest}")
        fields = tensor.fields[chosen["channel"]]
        magnitude = np.int64(1) << (fields["width"] - fields["signed"]).astype(np.int64).clip(0, 62)
        low = np.where(fields["signed"] == 1, -magnitude, 0)
        fits = (chosen["pad_value"] >= low) & (chosen["pad_value"] < magnitude)
        _require(bool(fits.all()), where, f"a pad value does not fit the fields of tensor {number}")


def _check_fields(fields: np.ndarray, tiles: int, columns: int, domains: int, where: str) -> None:
    _require(bool((fields["tile"] < tiles).all()), where, "a channel lies in a tile that does not exist")
    across = fields["across"] == 1
    reason = _outside(fields, "", across, columns, domains)
    _require(reason is None, where, reason[1] if reason else "")


def _check_resident(program: Program, layer: LayerProgram, columns: int, domains: int, where: str) -> None:
    """What the arrays hold from the start lies in cells of its own, which no instruction writes."""
    fields, values = layer.resident_fields, layer.resident_values
    _require_array(fields, FIELD, f"{where} fields")
    _require(
        isinstance(values, np.ndarray) and values.dtype == np.int32 and values.ndim == 2,
        where,
        "values must be a two-dimensional array of int32",
    )
    positions = program.tensors[layer.output].positions if len(fields) else values.shape[1]
    _require(values.shape == (len(fields), positions), where, "there must be one value a field and position")
    if not len(fields):
        return
    _require(bool((np.maximum(fields["signed"], fields["across"]) <= 1).all()), where, "signed and across are 0 or 1")
    _check_fields(fields, len(layer.tiles), columns, domains, where)
    _require(bool((fields["width"] <= MAX_RESIDENT_WIDTH).all()), where, f"widths go to {MAX_RESIDENT_WIDTH}")
    magnitude = np.int64(1) << (fields["width"] - fields["signed"]).astype(np.int64)
    low = np.where(fields["signed"] == 1, -magnitude, 0)
    fits = (values.min(axis=1, initial=0) >= low) & (values.max(axis=1, initial=0) < magnitude)
    _require(bool(fits.all()), where, "a value does not fit its field")
    for number, tile in enumerate(layer.tiles):
        mine = fields[fields["tile"] == number]
        held = _covered(mine, "", mine["across"] == 1, columns, domains)
        _require(held.max(initial=0) <= 1, where, f"two fields of tile {number} share a cell")
        code = tile.instructions
        written = _covered(code, "r_", (code["flags"] & isa.R_ACROSS) != 0, columns, domains)
        _require(not (written[held > 0]).any(), where, f"an instruction of tile {number} writes to it")


def _covered(fields: np.ndarray, prefix: str, across: np.ndarray, columns: int, domains: int) -> np.ndarray:
    """How many of the fields lie on each cell, int64[columns, domains]."""
    count = np.zeros((columns, domains), np.int64)
    column, domain, width = (fields[prefix + part].astype(np.int64) for part in ("column", "domain", "width"))
    for bit in range(int(width.max(initial=0))):
        wide = bit < width
        cells = np.where(across, column + bit, column)[wide], np.where(across, domain, domain + bit)[wide]
        np.add.at(count, cells, 1)
    return count


def _check_boundaries(program: Program) -> None:
    for kind, boundaries in (("input", program.inputs), ("output", program.outputs)):
        names = [boundary.name for boundary in boundaries]
        _require(len(boundaries) >= 1, "program", f"there is no {kind}")
        _require(len(set(names)) == len(names), "program", f"two {kind}s have the same name")
        for boundary in boundaries:
            where = f"{kind} {boundary.name}"
            _require(0 <= boundary.tensor < len(program.tensors), where, f"there is no tensor {boundary.tensor}")
            _check_boundary(boundary, program.tensors[boundary.tensor], where)
            if kind == "input" and boundary.scale is not None:
                _require(bool((boundary.scale > 0).all()), where, "scales must be positive")


def _check_boundary(boundary: Boundary, tensor: StoredTensor, where: str) -> None:
    _require(
        all(size is None or (type(size) is int and 0 <= size < MAX_ELEMENTS) for size in boundary.shape),
        where,
        f"{boundary.shape} is not a shape",
    )
    _require(boundary.dtype in BOUNDARY_DTYPES, where, f"the dtype {boundary.dtype} is not known")
    integer = boundary.dtype_int
    _require(
        integer.min <= boundary.lo <= boundary.hi <= integer.max,
        where,
        f"[{boundary.lo}, {boundary.hi}] is not an interval of {integer}",
    )
    _require((boundary.scale is None) == (boundary.zero_point is None), where, "scale and zero point come together")
    for name, array in (("scale", boundary.scale), ("zero_point", boundary.zero_point), ("offset", boundary.offset)):
        if array is not None:
            wanted: Sequence[type] = (np.int64,) if name == "zero_point" else (np.float32, np.float64)
            _require(array.dtype.type in wanted, where, f"the {name} has dtype {array.dtype}")
            turned = tensor.channels == 1 and boundary.shape[1:] == (tensor.positions,)
            channels = tensor.positions if turned else tensor.channels
            _require(array.shape in ((1,), (channels,)), where, f"the {name} has shape {array.shape}")
            _require(bool(np.isfinite(array).all()), where, f"the {name} must be finite")


def _table(member: str) -> np.ndarray:
    """bool[256] over opcodes: does the opcode have this operand ("r", "a", "b") or an immediate ("imm")?"""
    table = np.zeros(256, bool)
    for op, (operands, immediate) in OPERANDS.items():
        table[op] = immediate if member == "imm" else member in operands
    return table


_USES = {member: _table(member) for member in ("r", "a", "b", "imm")}
_KNOWN = np.isin(np.arange(256), [int(op) for op in Op])
_ALLOWED_FLAGS = (
    _USES["a"] * (isa.A_SIGNED | isa.A_ACROSS)
    + _USES["b"] * (isa.B_SIGNED | isa.B_ACROSS)
    + (np.arange(256) == Op.MAC) * isa.B_SIGNED
    + _USES["r"] * (isa.R_SIGNED | isa.R_ACROSS)
    + np.isin(np.arange(256), isa.FRESH) * isa.R_FRESH
)
_ACROSS = {"r": isa.R_ACROSS, "a": isa.A_ACROSS, "b": isa.B_ACROSS}


def first_illegal(
    tile: Tile, source_widths: np.ndarray, still: np.ndarray, columns: int, domains: int
) -> tuple[int, str] | None:
    """(address, reason) of the first illegal instruction of ``tile``, or None.

    ``source_widths``: the width of every gather's source field; ``still``: whether all rows of an image gather the
    same.
    """
    code = tile.instructions
    op = code["op"]
    bad = ~_KNOWN[op]
    if bad.any():
        return _first(bad, "unknown opcode")
    found = [
        _first((code["flags"] & ~_ALLOWED_FLAGS[op]) != 0, "a flag that the opcode does not have"),
        *_unused(code, op),
        *(_outside(code, operand, (code["flags"] & _ACROSS[operand]) != 0, columns, domains) for operand in "rab"),
        *_shared_columns(code, op),
        *_immediates(tile, source_widths, still),
        *_widths(code, op),
    ]
    return min((item for item in found if item is not None), key=lambda item: item[0], default=None)


def _first(bad: np.ndarray, reason: str) -> tuple[int, str] | None:
    return (int(bad.argmax()), reason) if bad.any() else None


def _unused(code: np.ndarray, op: np.ndarray) -> list[tuple[int, str] | None]:
    """Operands an opcode does not use are zero; EXTEND borrows a_width, GATHER a_column, MAC b_width and b_column."""
    used = {
        ("a", "width"): _USES["a"][op] | (op == Op.EXTEND),
        ("a", "column"): _USES["a"][op] | (op == Op.GATHER),
        ("b", "width"): _USES["b"][op] | (op == Op.MAC),
        ("b", "column"): _USES["b"][op] | (op == Op.MAC),
    }
    found = []
    for operand in "rab":
        for part in ("width", "domain", "column"):
            free = ~used.get((operand, part), _USES[operand][op])
            found.append(_first(free & (code[f"{operand}_{part}"] != 0), f"the unused {operand}_{part} is not zero"))
    found.append(_first(~_USES["imm"][op] & (code["imm"] != 0), "the unused imm is not zero"))
    return found


def _outside(
    fields: np.ndarray, operand: str, across: np.ndarray, columns: int, domains: int
) -> tuple[int, str] | None:
    """The first field (of ``operand``, or of FIELD records for "") that does not lie within an array's data cells."""
    prefix = f"{operand}_" if operand else ""
    present = _USES[operand][fields["op"]] if operand else np.ones(len(fields), bool)
    name = f"operand {operand}" if operand else "a field"
    column, domain, width = (fields[prefix + part].astype(np.int32) for part in ("column", "domain", "width"))
    last_column = column + np.where(across, width, 1)
    last_domain = domain + np.where(across, 1, width)
    found = [
        _first(present & ((width < 1) | (width > MAX_WIDTH)), f"the width of {name} is not 1 to {MAX_WIDTH}"),
        _first(present & (column < isa.FLAG_COLUMNS), f"{name} lies in the flag columns"),
        _first(present & (last_column > columns), f"{name} lies beyond the {columns} columns"),
        _first(present & (last_domain > domains), f"{name} lies beyond the {domains} domains"),
    ]
    return min((item for item in found if item is not None), key=lambda item: item[0], default=None)


def _shared_columns(code: np.ndarray, op: np.ndarray) -> list[tuple[int, str] | None]:
    """Two operands may not share a column: it has one port."""
    spans = {}
    for operand in "rab":
        start = code[f"{operand}_column"].astype(np.int32)
        across = (code["flags"] & _ACROSS[operand]) != 0
        spans[operand] = start, start + np.where(across, code[f"{operand}_width"], 1)
    found = []
    for left, right in ("ra", "rb", "ab"):
        (low, high), (other_low, other_high) = spans[left], spans[right]
        both = _USES[left][op] & _USES[right][op]
        found.append(
            _first(both & (low < other_high) & (other_low < high), f"operands {left} and {right} share a column")
        )
    return found


def _immediates(tile: Tile, source_widths: np.ndarray, still: np.ndarray) -> list[tuple[int, str] | None]:
    code, op = tile.instructions, tile.instructions["op"]
    pair = (op == Op.CLAMP) | (op == Op.STEP)
    gather, multiply = np.isin(op, isa.GATHERING), op == Op.MAC
    last = code["imm"].astype(np.int64) + pair
    number = gather_index(code)
    missing = gather & (number >= len(tile.gathers))
    found = [
        _first(_USES["imm"][op] & ~gather & (last >= len(tile.constants)), "the constant does not exist"),
        _first(missing, "the gather does not exist"),
    ]
    if not missing.any():
        width, alike = np.zeros(len(code), np.int64), np.ones(len(code), bool)
        width[gather] = source_widths[number[gather]]
        alike[multiply] = still[number[multiply]]
        bits = isa.gathered_bits(code)
        most = np.minimum(width, code["r_width"])
        found += [
            _first(gather & ~multiply & (width != bits), "the gathered field has another width"),
            _first(multiply & ((bits < 1) | (bits > most)), "broadcasts more bits than the source or r has, or none"),
            _first(~alike, "broadcasts what differs from row to row"),
        ]
    return found


def _widths(code: np.ndarray, op: np.ndarray) -> list[tuple[int, str] | None]:
    narrower = (code["a_width"] >= 1) & (code["a_width"] < code["r_width"])
    signed_alike = ((code["flags"] & isa.A_SIGNED) != 0) == ((code["flags"] & isa.R_SIGNED) != 0)
    alike = (code["a_width"] == code["r_width"]) & signed_alike
    fresh = (code["flags"] & isa.R_FRESH) != 0
    biased = fresh & ((op == Op.ADD) | (op == Op.SUB) | (op == Op.SUBO))
    below_top = (code["a_width"] < code["r_width"]) & (code["b_width"] < code["r_width"])
    signed = (code["flags"] & (isa.A_SIGNED | isa.B_SIGNED)) != 0
    return [
        _first(biased & signed, "a fresh top bit needs unsigned operands"),
        _first(biased & ~below_top, "a fresh top bit needs operands narrower than the result"),
        _first((op == Op.EXTEND) & ~narrower, "extends from a width that is not below its own"),
        _first((op == Op.MAX) & ~alike, "the operands of max differ in width or sign"),
    ]
