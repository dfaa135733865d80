"""Text, DOT and GraphML of what `apc inspect` shows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import networkx as nx
from rich.table import Table

from apc.report.inspection import Window
from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit
from ir.expand import FLAG_PLACES, Broadcast, MicroOp, Receive, Search, SearchOr, Shift, TagAll, Write
from ir.program import Program

_FLAG_NAMES = {place: name for name, place in FLAG_PLACES.items()}
_COLUMNS = (
    Column("layer", text=True),
    Column("op", text=True, rank=4),
    Column("shape", rank=5),
    Column("tiles", rank=7),
    Column("columns", rank=6),
    Column("instr.", rank=1),
    Column("adds", rank=3),
    Column("bit-adds", rank=8),
    Column("searches"),
    Column("writes", rank=2),
    Column("shifts"),
    Column("cycles"),
    Column("energy (est.)"),
)
_SUMS = ("instructions", "adds", "bit_adds", "search_passes", "write_passes", "shift_steps", "cycles")


def summary_table(rows: list[dict[str, Any]], width: int) -> list[Table | str]:
    """One line a layer of ``inspection.summary``, and the sums of several, in lines of at most ``width`` letters."""
    lines: list[Row] = []
    digits = len(str(max([row["index"] for row in rows], default=0)))
    for row in rows:
        shape = "x".join(map(str, row["shape"]))
        facts = [f"{row['index']:>{digits}} {row['name']}", row["op"], shape, str(row["tiles"]), str(row["columns"])]
        lines.append([*facts, *_sums([row])])
    if len(rows) > 1:
        lines += [None, ["all", "", "", "", "", *_sums(rows)]]
    return fitted(_COLUMNS, lines, width)


def _sums(rows: list[dict[str, Any]]) -> list[str]:
    energy_J = sum(row["energy_estimate_J"] for row in rows)
    return [*(f"{sum(row[key] for row in rows):,}" for key in _SUMS), with_unit(energy_J, "J")]


def header(window: Window) -> str:
    """A comment that says which instructions follow."""
    layer = window.layer
    return (
        f"; layer {window.layer_index} {layer.name} ({layer.op}), tile {window.tile_index} of {len(layer.tiles)}, "
        f"instructions {window.start}:{window.stop} of {len(window.tile.instructions)}"
    )


def footer(window: Window) -> list[str]:
    """A comment that says how to see what comes next, if anything does."""
    rest = len(window.tile.instructions) - window.stop
    if not rest:
        return []
    following = window.stop + min(rest, max(1, window.stop - window.start))
    return [f"; {rest} more: --range {window.stop}:{following}"]


def micro_text(step: MicroOp, operands: Sequence[str] = ()) -> str:
    """Cells are ``c<column>.d<domain>``, or the flags C, F, G; X is the broadcast bit in the key. ``operands``: for
    each cell that a search or write names, the operand bit it is ("r3"), which follows in brackets, or ""."""
    match step:
        case Shift(column, steps):
            return f"SHIFT      c{column} {steps:+d}"
        case Search(key):
            return f"SEARCH     {_cells(key, operands)}"
        case SearchOr(key):
            return f"SEARCH-OR  {_cells(key, operands)}"
        case TagAll():
            return "TAG-ALL"
        case Write(values):
            return f"WRITE      {_cells(values, operands)}"
        case Receive(gather, bit):
            return f"RECEIVE    gather {gather} bit {bit}"
        case Broadcast(gather, bit):
            return f"BROADCAST  gather {gather} bit {bit}"


def _cells(places: tuple[tuple[tuple[int, int], int], ...], operands: Sequence[str]) -> str:
    names = operands or [""] * len(places)
    named = zip(places, names, strict=True)
    return " ".join(f"{_cell(place)}{f'({name})' if name else ''}={bit}" for (place, bit), name in named)


def _cell(place: tuple[int, int]) -> str:
    return _FLAG_NAMES.get(place, f"c{place[0]}.d{place[1]}")


def graph_lines(program: Program, graph: nx.DiGraph) -> Iterator[str]:
    """The integer graph as the compiler printed it, then what is stored where."""
    if program.graph_text:
        yield program.graph_text
        yield ""
    for name, node in graph.nodes(data=True):
        if node["kind"] == "tensor":
            roles = "".join(f" {role} {json.dumps(node[role])}" for role in ("input", "output") if role in node)
            yield f"{name} {json.dumps(node['name'])} {node['shape']} bits={node['bits']}{roles}"
    for name, node in graph.nodes(data=True):
        if node["kind"] == "layer":
            sources = ", ".join(
                f"{source} ({edge['gathers']} gathers)" for source, _, edge in graph.in_edges(name, True)
            )
            target = next(iter(graph.successors(name)))
            yield (
                f"{name} {json.dumps(node['name'])} {target} = {node['op']}({sources}) tiles={node['tiles']} "
                f"instructions={node['instructions']}"
            )


def dag_lines(graph: nx.DiGraph) -> Iterator[str]:
    """One value a line, in the order of the instructions; inputs first."""
    nodes = sorted(graph.nodes(data=True), key=lambda item: (item[1]["inside"], item[1]["address"]))
    for name, node in nodes:
        made = "" if node["inside"] else "input "
        yield f"{made}{name} {node['field']} = {_expression(graph, name, node)}"


def _expression(graph: nx.DiGraph, name: str, node: dict[str, Any]) -> str:
    if not node["inside"] or node["kind"] in ("gather", "const"):
        return f"{node['kind']} {node['label']}"
    operands: dict[str, list[str]] = {}
    signs = {}
    for source, _, edge in graph.in_edges(name, True):
        shifted = f"{source}[{edge['low_bit']}:]" if edge["low_bit"] else source
        operands.setdefault(edge["operand"], []).append(shifted)
        signs[edge["operand"]] = edge["sign"]
    words = [
        ("-" if signs[operand] < 0 else "") + "|".join(operands[operand]) for operand in "rab" if operand in operands
    ]
    return f"{node['kind']} {' '.join([*words, node['constants']] if node['constants'] else words)}"


def to_dot(graph: nx.DiGraph) -> str:
    """Graphviz text; attributes are kept as they are, ``label`` is what is drawn."""
    lines = [f"digraph {_quote(graph.name)} {{"]
    for name, node in graph.nodes(data=True):
        drawn = " ".join(str(node[key]) for key in ("kind", "name", "op", "label") if key in node)
        lines.append(f"  {_quote(name)} [{_dot_attributes({**node, 'label': f'{name}: {drawn}'})}];")
    for source, target, edge in graph.edges(data=True):
        attributes = _dot_attributes(edge)
        lines.append(f"  {_quote(source)} -> {_quote(target)}{f' [{attributes}]' if attributes else ''};")
    return "\n".join([*lines, "}"])


def _dot_attributes(attributes: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_quote(value)}" for key, value in attributes.items())


def _quote(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def to_graphml(graph: nx.DiGraph) -> str:
    """GraphML text."""
    out = io.BytesIO()
    nx.write_graphml(graph, out)
    return out.getvalue().decode("utf-8").rstrip("\n")


def to_json(graph: nx.DiGraph) -> dict[str, Any]:
    """{nodes: [{id, ...}], edges: [{source, target, ...}]}"""
    return {
        "nodes": [{"id": name, **node} for name, node in graph.nodes(data=True)],
        "edges": [{"source": source, "target": target, **edge} for source, target, edge in graph.edges(data=True)],
    }
