"""What `apc inspect` shows of a program, as data: networkx graphs and plain records."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import networkx as nx
import numpy as np

from apc.accounting import Accounts
from ir.disassembler import instruction_lines
from ir.errors import UserError
from ir.expand import operand_fields
from ir.isa import R_ACROSS, UPDATING, Field, Op
from ir.program import LayerProgram, Program, Tile

Cell = tuple[int, int]
"""(column, domain)"""


@dataclass(frozen=True)
class Window:
    """Instructions [start, stop) of one tile of one layer."""

    layer_index: int
    layer: LayerProgram
    tile_index: int
    tile: Tile
    start: int
    stop: int


def find_layer(program: Program, wanted: str) -> int:
    """The index of a layer given by name or number. Raises UserError."""
    names = [layer.name for layer in program.layers]
    if wanted in names:
        return names.index(wanted)
    if wanted.isascii() and wanted.isdigit() and int(wanted) < len(names):
        return int(wanted)
    alike = get_close_matches(wanted, names, n=1)
    meant = f"; did you mean {alike[0]}?" if alike else ""
    raise UserError(f"there is no layer {wanted!r}{meant} (`apc inspect OUT.apc --level layers` lists them)")


def find_tile(layer: LayerProgram, number: int) -> Tile:
    """Raises UserError."""
    if not 0 <= number < len(layer.tiles):
        raise UserError(f"layer {layer.name} has no tile {number}: it has tiles 0 to {len(layer.tiles) - 1}")
    return layer.tiles[number]


def phase_ranges(tile: Tile) -> list[tuple[str, int, int]]:
    """(name, start, stop) of every phase."""
    starts = [start for _, start in tile.phases] + [len(tile.instructions)]
    return [(name, start, stop) for (name, start), stop in zip(tile.phases, starts[1:], strict=True)]


def find_phase(layer: LayerProgram, tile: Tile, wanted: str) -> tuple[int, int]:
    """(start, stop) of a phase given by name. Raises UserError."""
    for name, start, stop in phase_ranges(tile):
        if name == wanted:
            return start, stop
    known = ", ".join(repr(name) for name, _ in tile.phases[:8])
    more = " ..." if len(tile.phases) > 8 else ""
    raise UserError(f"layer {layer.name} has no phase {wanted!r} in this tile; it has {known}{more}")


def find_group(layer: LayerProgram, tile: Tile, group: int) -> tuple[int, int]:
    """(start, stop) of the phases that load and sum a group of inputs, which follow one another. Raises UserError."""
    names = (f"load {group}", f"sum {group}")
    ranges = [(start, stop) for name, start, stop in phase_ranges(tile) if name in names]
    if not ranges:
        raise UserError(
            f"layer {layer.name} has no group {group} in this tile: --level layers --layer lists its phases"
        )
    return min(start for start, _ in ranges), max(stop for _, stop in ranges)


def summary(accounts: Accounts) -> list[dict[str, Any]]:
    """One record a layer; counts and energies are those of `apc compile` (docs/json.md)."""
    program, rows = accounts.program, []
    each = zip(accounts.layers(), program.layers, accounts.cost(1).layers, strict=True)
    for index, (statics, layer, cost) in enumerate(each):
        rows.append(
            {
                "index": index,
                "name": layer.name,
                "op": layer.op,
                "shape": list(program.tensors[layer.output].shape),
                "tiles": len(layer.tiles),
                "instructions": statics.instructions,
                "adds": layer.statistics.get("adds", 0),
                "bit_adds": layer.statistics.get("bit_adds", 0),
                "columns": statics.columns,
                "search_passes": statics.search_passes,
                "write_passes": statics.write_passes,
                "shift_steps": statics.shift_steps,
                "cycles": statics.cycles,
                "energy_estimate_J": sum(cost.energy_J.values()),
                "resident_bits": statics.resident_bits,
            }
        )
    return rows


def graph_of(program: Program) -> nx.DiGraph:
    """The dataflow between layers and stored tensors.

    Nodes ``t<i>`` (``kind`` "tensor": name, shape, bits) and ``layer<i>`` (``kind`` "layer": name, op, tiles,
    instructions). An edge from a tensor to a layer counts its ``gathers``.
    """
    graph = nx.DiGraph(name=program.name)
    for index, tensor in enumerate(program.tensors):
        shape, bits = "x".join(map(str, tensor.shape)), int(tensor.fields["width"].max())
        graph.add_node(f"t{index}", kind="tensor", name=tensor.name, shape=shape, bits=bits)
    for index, layer in enumerate(program.layers):
        instructions = sum(len(tile.instructions) for tile in layer.tiles)
        tiles = len(layer.tiles)
        graph.add_node(
            f"layer{index}", kind="layer", name=layer.name, op=layer.op, tiles=tiles, instructions=instructions
        )
        gathers = np.concatenate([tile.gathers["tensor"] for tile in layer.tiles])
        for tensor_index, count in zip(*np.unique(gathers, return_counts=True), strict=True):
            graph.add_edge(f"t{tensor_index}", f"layer{index}", gathers=int(count))
        graph.add_edge(f"layer{index}", f"t{layer.output}")
    for key, boundaries in (("input", program.inputs), ("output", program.outputs)):
        for boundary in boundaries:
            graph.nodes[f"t{boundary.tensor}"][key] = boundary.name
    return graph


def dag_of(window: Window) -> nx.DiGraph:
    """The dataflow of a stretch of instructions, reconstructed from the cells they read and write: of every cell the
    instruction that wrote it last, where ``ir.reads`` takes a value that is updated in place as a whole.

    A node is the value that one instruction leaves in its result field: ``kind`` (opcode), ``address``, ``field``,
    ``label``, ``constants`` it uses, and ``inside``: whether the instruction lies in the window. Values made before it
    are the DAG's inputs.
    An edge's ``operand`` is "a", "b" or "r" (the result field's earlier value), ``sign`` -1 where it is subtracted,
    ``low_bit`` the bit of the producer's field that the operand's lowest bit from it is: reading from above is a
    right shift.
    """
    tile = window.tile
    graph = nx.DiGraph(name=f"{window.layer.name} tile {window.tile_index}")
    texts = [line.split(maxsplit=2)[2] for line in instruction_lines(tile, 0, window.stop)]
    held = _held_before(tile, window.start)
    for address in range(window.start, window.stop):
        record = tile.instructions[address]
        op, fields = Op(int(record["op"])), operand_fields(record)
        _add_value(graph, window, address, texts)
        for operand, cells in _read_cells(op, fields, int(record["a_width"])):
            _add_edges(graph, window, texts, address, op, operand, [held[cell] for cell in cells if cell in held])
        for bit in range(fields["r"].width):
            held[fields["r"].cell(bit)] = address, bit
    return graph


def _held_before(tile: Tile, stop: int) -> dict[Cell, tuple[int, int]]:
    """For every cell written before ``stop``: the address of the last instruction that wrote it, and its bit there."""
    code = tile.instructions[:stop]
    held = {}
    first = np.where(code["op"] == Op.EXTEND, code["a_width"], 0)
    across = (code["flags"] & R_ACROSS) != 0
    parts = (code["r_column"], code["r_domain"], code["r_width"], first, across)
    places = zip(*(part.tolist() for part in parts), strict=True)
    for address, (column, domain, width, low, sideways) in enumerate(places):
        for bit in range(low, width):
            held[(column + bit, domain) if sideways else (column, domain + bit)] = address, bit
    return held


def _add_value(graph: nx.DiGraph, window: Window, address: int, texts: list[str]) -> str:
    name = f"i{address:04x}"
    if name not in graph:
        record = window.tile.instructions[address]
        op = Op(int(record["op"]))
        words = texts[address].split()
        graph.add_node(
            name,
            kind=op.name.lower(),
            address=address,
            field=words[0],
            label=" ".join(words[1:]) if op in (Op.GATHER, Op.CONST) else words[0],
            constants=" ".join(word for word in words[1:] if word.startswith("#")),
            inside=window.start <= address,
        )
    return name


def _read_cells(op: Op, fields: dict[str, Field], a_width: int) -> list[tuple[str, list[Cell]]]:
    """(operand, cells) that an instruction reads."""
    read = [(name, field) for name, field in fields.items() if name != "r"]
    if op in UPDATING:
        read.append(("r", fields["r"].bits(0, a_width if op == Op.EXTEND else None)))
    return [(name, [field.cell(bit) for bit in range(field.width)]) for name, field in read]


def _add_edges(
    graph: nx.DiGraph,
    window: Window,
    texts: list[str],
    address: int,
    op: Op,
    operand: str,
    sources: list[tuple[int, int]],
) -> None:
    lowest: dict[int, int] = {}
    for producer, bit in sources:
        lowest.setdefault(producer, bit)
    negative = (op == Op.SUB and operand == "a") or (op == Op.SUBO and operand == "b")
    for producer, bit in lowest.items():
        source = _add_value(graph, window, producer, texts)
        graph.add_edge(source, f"i{address:04x}", operand=operand, sign=-1 if negative else 1, low_bit=bit)
