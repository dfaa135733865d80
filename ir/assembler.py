"""Assembly text -> Program (docs/assembly.md).

The grammar of a line is ``assembly.lark``. Instruction lines are many and their words few: the grammar parses each
distinct word once, and a line of known words costs a few look-ups (lark takes 35 us a line, this 2 us).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from lark import Tree

from ir import isa
from ir.assembly_grammar import Argument, AssemblyError, parse_argument, parse_line
from ir.disassembler import FORMAT_VERSION
from ir.isa import OPERANDS, Op
from ir.operand_text import MNEMONICS, PAIRS, SINGLES, ConstantPool, GatherEntry, GatherPool
from ir.program import FIELD, GATHER, PLAIN, ROW_MAP, Boundary, LayerProgram, Program, StoredTensor, Tile

MAX_MODEL_BYTES = 1 << 30
_INT64 = range(-(1 << 63), 1 << 63)
_INT32 = range(-(1 << 31), 1 << 31)
_OFFSETS = {name: 8 * place[1] for name, place in (isa.RECORD.fields or {}).items()}
_FLAGS = {
    "r": (isa.R_SIGNED, isa.R_ACROSS),
    "a": (isa.A_SIGNED, isa.A_ACROSS),
    "b": (isa.B_SIGNED, isa.B_ACROSS),
}


def _tails() -> dict[Op, tuple[tuple[str, ...], tuple[str, ...]]]:
    """What follows the operands of each opcode, FRESH apart: (required kinds, optional kinds), in order."""
    tails: dict[Op, tuple[tuple[str, ...], tuple[str, ...]]] = dict.fromkeys(Op, ((), ()))
    tails |= dict.fromkeys(SINGLES, (("CONSTANT",), ("AT",)))
    tails |= dict.fromkeys(PAIRS, (("PAIR",), ("AT",)))
    tails[Op.GATHER] = ("SOURCE", "MAP", "PAD"), ("AT",)
    tails[Op.MAC] = ("SOURCE", "MAP", "PAD", "BROADCAST"), ("AT",)
    tails[Op.EXTEND] = ("FROM",), ()
    return tails


_TAILS = _tails()


class _Operand(dict[str, int]):
    """Word -> the bits that a field adds to a record (as a 128-bit number) when it is operand "r", "a" or "b"."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __missing__(self, word: str) -> int:
        kind, value = parse_argument(word)
        if kind != "FIELD":
            raise AssemblyError(f"operand {self.name} must be a field such as c3.d0:4, not {word}")
        if value.column > 0xFFFF or value.domain > 0xFF or value.width > 0xFF:
            raise AssemblyError(f"{word}: columns go to 65535, domains and widths to 255")
        signed, across = _FLAGS[self.name]
        bits = (signed * value.signed | across * value.across) << _OFFSETS["flags"]
        for part, number in (("column", value.column), ("domain", value.domain), ("width", value.width)):
            bits |= number << _OFFSETS[f"{self.name}_{part}"]
        self[word] = bits
        return bits


@dataclass
class _OpenTile:
    """A tile while its lines are read."""

    constants: ConstantPool = field(default_factory=ConstantPool)
    gathers: GatherPool = field(default_factory=GatherPool)
    code: bytearray = field(default_factory=bytearray)
    phases: list[tuple[str, int]] = field(default_factory=list)

    @property
    def address(self) -> int:
        return len(self.code) // isa.RECORD.itemsize

    def close(self) -> Tile:
        return Tile(
            np.frombuffer(bytes(self.code), isa.RECORD).copy(),
            np.array(self.constants.values, np.int64),
            np.array(self.gathers.entries, GATHER),
            self.phases,
        )


class _Encoder:
    """Instruction words -> the 128 bits of a record."""

    def __init__(self) -> None:
        columns = {name: _Operand(name) for name in "rab"}
        self._operands = {op: [columns[name] for name in names] for op, (names, _) in OPERANDS.items()}
        self._argument = cache(parse_argument)

    def encode(self, op: Op, words: list[str], tile: _OpenTile) -> int:
        """``words``: those after the mnemonic. Adds to the tile's tables what they do not have yet."""
        operands = self._operands[op]
        count = len(operands)
        if len(words) < count:
            raise AssemblyError(f"{op.name.lower()} has {count} field operands")
        bits = int(op)
        for operand, word in zip(operands, words, strict=False):
            bits |= operand[word]
        required, _ = _TAILS[op]
        if required or len(words) > count:
            bits |= self._tail(op, words[count:], tile)
        return bits

    def _tail(self, op: Op, words: list[str], tile: _OpenTile) -> int:
        arguments = [self._argument(word) for word in words]
        if op in isa.FRESH and words[-1:] == ["fresh"]:
            return isa.R_FRESH << _OFFSETS["flags"] | self._tail(op, words[:-1], tile)
        required, optional = _TAILS[op]
        kinds = tuple(kind for kind, _ in arguments)
        if kinds not in (required, required + optional):
            wanted = " ".join(kind.lower() for kind in required) or "nothing"
            raise AssemblyError(f"{op.name.lower()} takes {wanted} after its operands, not {' '.join(words)!r}")
        if not kinds:
            return 0
        values = dict(arguments)
        if op == Op.EXTEND:
            if values["FROM"] > 0xFF:
                raise AssemblyError("widths go to 255")
            return values["FROM"] << _OFFSETS["a_width"]
        index = _table_index(arguments, values, tile)
        if op == Op.GATHER:
            return (index & 0xFFFF) << _OFFSETS["imm"] | (index >> 16) << _OFFSETS["a_column"]
        if op == Op.MAC:
            width, signed = values["BROADCAST"]
            bits = (index & 0xFFFF) << _OFFSETS["imm"] | (index >> 16) << _OFFSETS["b_column"]
            return bits | width << _OFFSETS["b_width"] | isa.B_SIGNED * signed << _OFFSETS["flags"]
        if index > 0xFFFF:
            raise AssemblyError("a tile has at most 65536 constants that instructions can name")
        return index << _OFFSETS["imm"]


def _table_index(arguments: list[Argument], values: dict[str, Any], tile: _OpenTile) -> int:
    """The constant or gather index that an instruction means; with ``at`` it is given and must hold what it shows."""
    shown: Any = arguments[0][1]
    at = values.get("AT")
    if "SOURCE" in values:
        shown = _gather_entry(values["SOURCE"], values["MAP"], values["PAD"])
        if at is None:
            return tile.gathers.find(shown)
        found: Any = tile.gathers.entries[at] if at < len(tile.gathers.entries) else None
    elif "PAIR" in values:
        for value in shown:
            _check_constant(value)
        if at is None:
            return tile.constants.pair(*shown)
        found = tuple(tile.constants.values[at : at + 2])
    else:
        _check_constant(shown)
        if at is None:
            return tile.constants.single(shown)
        found = tile.constants.values[at] if at < len(tile.constants.values) else None
    if found != shown:
        raise AssemblyError(f"entry {at} of the tile's table does not hold what the instruction shows")
    return at


def _gather_entry(source: tuple[int, int], row_map: int, pad_value: int) -> GatherEntry:
    if pad_value not in _INT32:
        raise AssemblyError(f"the pad value {pad_value} has more than 32 bits")
    return (*source, row_map, pad_value)


def _check_constant(value: int) -> None:
    if value not in _INT64:
        raise AssemblyError(f"the constant {value} has more than 64 bits")


def assemble(lines: Iterable[str], name: str) -> Program:
    """The program that ``lines`` describe. It is well formed as far as single lines can tell: ir.verify_program
    does the rest. Raises AssemblyError, whose message begins with ``name`` and the line's number."""
    builder = _Builder()
    encoder = _Encoder()
    number = 0
    try:
        for line in lines:
            number += 1
            words = (line.partition(";")[0] if ";" in line else line).split()
            if not words:
                continue
            if words[0].startswith("0x"):
                if builder.tile is None or words[0] != f"0x{builder.tile.address:04x}":
                    parse_line(line)  # addresses are for readers, but must be addresses
                del words[0]
            op = MNEMONICS.get(words[0]) if words else None
            if op is None:
                builder.directive(parse_line(line))
            elif builder.tile is None:
                raise AssemblyError("an instruction outside a tile")
            else:
                builder.tile.code += encoder.encode(op, words[1:], builder.tile).to_bytes(16, "little")
        return builder.finish()
    except AssemblyError as error:
        raise AssemblyError(f"{name}:{number}: {error}") from error


def _field_record(place: list[Any]) -> np.ndarray:
    """A FIELD of a line's words: an integer type alone, or a field and its tile. Raises AssemblyError."""
    if len(place) == 1:
        record = (0, 0, 0, place[0].bits, place[0].signed, False)
    else:
        (_, where), tile = place
        record = (tile, where.column, where.domain, where.width, where.signed, where.across)
    try:
        return np.array(record, FIELD)
    except OverflowError as error:
        raise AssemblyError("columns and tiles go to 65535, domains and widths to 255") from error


class _Builder:
    """Applies one directive after another. Indented lines belong to the tensor, boundary, layer or tile before them."""

    def __init__(self) -> None:
        self.once: dict[str, Any] = {}
        self.model: list[str] = []
        self.passes: list[str] = []
        self.target: dict[str, Any] = {}
        self.graph: list[str] = []
        self.host_steps: list[dict[str, Any]] = []
        self.tensors: list[StoredTensor] = []
        self.channels: list[list[np.ndarray]] = []
        self.boundaries: list[tuple[str, dict[str, Any]]] = []
        self.layers: list[LayerProgram] = []
        self.row_maps: list[list[tuple[int, ...]]] = []
        self.resident: list[list[tuple[np.ndarray, list[int]]]] = []
        self.tiles: list[list[_OpenTile]] = []
        self.tile: _OpenTile | None = None

    def directive(self, tree: Tree[Any]) -> None:
        line: list[Any] = [str(tree.data), *tree.children]
        match line:
            case ["format" | "program" | "model" | "level" | "encoding" as key, value]:
                if key in self.once:
                    raise AssemblyError(f"a second line '{key}'")
                if key == "format" and value != FORMAT_VERSION:
                    raise AssemblyError(f"format {value} is not {FORMAT_VERSION}, the one this apc reads")
                self.once[key] = value
            case ["onnx", text]:
                self.model.append(text)
            case ["pass_name", name]:
                self.passes.append(name)
            case ["target", *path, value]:
                self._set_target(path, value)
            case ["graph", text]:
                self.graph.append(text)
            case ["host_step", name, operator, size]:
                self.host_steps.append({"name": name, "operator": operator, "bytes_per_image": size})
            case ["tensor", number, name, shape, *layer]:
                _expect(number, self.tensors, "tensor")
                producer = layer[0] if layer else -1
                self.tensors.append(StoredTensor(name, tuple(shape), producer, np.zeros(0, FIELD)))
                self.channels.append([])
            case ["channel", *place]:
                self._add_channel(place)
            case ["input" | "output" as kind, *values]:
                self._add_boundary(kind, values)
            case ["scale" | "zero_point" | "offset" as key, dtype, values]:
                if not self.boundaries or key in self.boundaries[-1][1]:
                    raise AssemblyError(f"'{key}' twice, or before any input or output")
                self.boundaries[-1][1][key] = _array(dtype, values)
            case ["layer", number, name, op, output]:
                _expect(number, self.layers, "layer")
                self.layers.append(LayerProgram(name, op, output, np.zeros(0, ROW_MAP), [], {}))
                self.row_maps.append([])
                self.resident.append([])
                self.tiles.append([])
                self.tile = None
            case ["statistic", key, value]:
                self._layer().statistics[key] = value
            case ["row_map", number, *numbers]:
                self._layer()
                _expect(number, self.row_maps[-1], "row_map")
                if any(value not in _INT32 for value in numbers):
                    raise AssemblyError("a row map's numbers have 32 bits")
                self.row_maps[-1].append(tuple(numbers))
            case ["resident", *place]:
                self._layer()
                self.resident[-1].append((_field_record(place), []))
            case ["values_of", *values]:
                if not self.resident or not self.resident[-1]:
                    raise AssemblyError("values before any resident field of the layer")
                if any(value not in _INT32 for value in values):
                    raise AssemblyError("resident values have 32 bits")
                self.resident[-1][-1][1].extend(values)
            case ["tile", number]:
                self._layer()
                _expect(number, self.tiles[-1], "tile")
                self.tile = _OpenTile()
                self.tiles[-1].append(self.tile)
            case ["constants", *values]:
                for value in values:
                    _check_constant(value)
                    self._open_tile().constants.append(value)
            case ["gathers", (_, source), (_, row_map), (_, pad_value)]:
                self._open_tile().gathers.append(_gather_entry(source, row_map, pad_value))
            case ["phase", name]:
                self._open_tile().phases.append((name, self._open_tile().address))

    def _set_target(self, path: list[str], value: Any) -> None:
        table = self.target
        for key in path[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise AssemblyError(f"target {'.'.join(path)}: {key} is not a table")
        if path[-1] in table:
            raise AssemblyError(f"target {'.'.join(path)} is set twice")
        table[path[-1]] = value

    def _add_channel(self, place: list[Any]) -> None:
        if not self.tensors:
            raise AssemblyError("a channel before any tensor")
        if (self.tensors[-1].producer == -1) != (len(place) == 1):
            raise AssemblyError("channels of inputs are written 'channel u4', others 'channel c3.d0:4 tile 0'")
        self.channels[-1].append(_field_record(place))

    def _add_boundary(self, kind: str, values: list[Any]) -> None:
        name, tensor, shape, dtype, dtype_int, interval = values
        if len(interval) != 2 or any(type(value) is not int for value in interval):
            raise AssemblyError("the interval must be [lo, hi], two integers")
        fixed = {"name": name, "tensor": tensor, "shape": tuple(shape), "dtype": dtype, "dtype_int": dtype_int}
        self.boundaries.append((kind, {**fixed, "lo": interval[0], "hi": interval[1]}))

    def _layer(self) -> LayerProgram:
        if not self.layers:
            raise AssemblyError("this line belongs to a layer, and there is none before it")
        return self.layers[-1]

    def _open_tile(self) -> _OpenTile:
        if self.tile is None:
            raise AssemblyError("this line belongs to a tile, and there is none before it")
        return self.tile

    def finish(self) -> Program:
        for key in ("format", "program", "model", "level"):
            if key not in self.once:
                raise AssemblyError(f"the text ends without a line '{key}'")
        for tensor, channels in zip(self.tensors, self.channels, strict=True):
            tensor.fields = np.array(channels, FIELD)
        for layer, row_maps, tiles, resident in zip(self.layers, self.row_maps, self.tiles, self.resident, strict=True):
            layer.row_maps = np.array(row_maps, ROW_MAP)
            if len({len(values) for _, values in resident}) > 1:
                raise AssemblyError(f"the resident fields of layer {layer.name} have different numbers of values")
            layer.tiles = [tile.close() for tile in tiles]
            if resident:
                layer.resident_fields = np.array([place for place, _ in resident], FIELD)
                layer.resident_values = np.array([values for _, values in resident], np.int32)
        return Program(
            name=self.once["program"],
            model_sha256=self.once["model"],
            level=self.once["level"],
            encoding=self.once.get("encoding", PLAIN),
            passes=self.passes,
            target=self.target,
            tensors=self.tensors,
            layers=self.layers,
            inputs=[Boundary(**values) for kind, values in self.boundaries if kind == "input"],
            outputs=[Boundary(**values) for kind, values in self.boundaries if kind == "output"],
            model=_unpack("".join(self.model)),
            graph_text="\n".join(self.graph),
            host_steps=self.host_steps,
        )


def _unpack(packed: str) -> bytes:
    """The model's bytes from base64 of zlib."""
    try:
        stream = zlib.decompressobj()
        model = stream.decompress(base64.b64decode(packed, validate=True), MAX_MODEL_BYTES) if packed else b""
    except (ValueError, zlib.error) as error:
        raise AssemblyError(f"the 'onnx' lines are damaged: {error}") from error
    if packed and (not stream.eof or stream.unused_data):
        raise AssemblyError("the 'onnx' lines are damaged, or hold more than 1 GiB")
    return model


def _expect(number: int, before: list[Any], what: str) -> None:
    if number != len(before):
        raise AssemblyError(f"{what} {number} stands where {what} {len(before)} must")


def _array(dtype: str, values: list[Any]) -> np.ndarray:
    if dtype not in ("float32", "float64", "int64"):
        raise AssemblyError(f"the dtype {dtype} is not float32, float64 or int64")
    kinds = (int,) if dtype == "int64" else (int, float)
    if any(type(value) not in kinds for value in values):
        raise AssemblyError(f"the values must be of {dtype}")
    if dtype == "int64":
        for value in values:
            _check_constant(value)
        return np.array(values, np.int64)
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(dtype)
