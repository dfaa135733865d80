"""What each pass does on a small network: compiled without the pass and with it, for docs/passes.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from apc.report.compilation import compile_report
from apc.report.decisions import EFFECTS, decisions_text
from apc.report.inspection import Window, find_phase
from apc.report.listing import macro_records
from backends.rtm_ap.compiler import Origin, compile_graph
from backends.rtm_ap.decisions import Decision
from backends.rtm_ap.passes import (
    Cse,
    Encoding,
    LayerPass,
    Pipeline,
    Placement,
    RowSums,
    Selection,
    ShareRequantise,
    Tiling,
    Widths,
)
from backends.target import load_target
from ir.disassembler import field_text
from ir.encoding import instruction_bits
from ir.graph import Graph, GraphInput, GraphOutput
from ir.isa import RECORD_BITS, Field
from ir.ops import Concat, Conv, Input, MaxPool, Op, Requantise, Rounding
from ir.passes.dead_code import DeadCode
from ir.passes.manager import Pass, run_passes
from ir.passes.merge_duplicates import MergeDuplicates
from ir.program import PLAIN, Program
from ir.types import IntType, QuantParams

TARGET = "rtm-ap-published"
U2, U4, S4, U10 = IntType(2, False), IntType(4, False), IntType(4, True), IntType(10, False)
COSTS = {"search_passes": "searches", "write_passes": "writes", "shift_steps": "shifts"}
"""What a listing shows of every instruction beside its encoded bits."""

ENERGY = "energy"
"""Heading of what is in joules; all else is a count."""

Nodes = dict[str, tuple[Op, tuple[str, ...]]]
"""Operations by name, with what they read."""


# --- networks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Equations:
    """A layer as the sums it computes, ``y0 = 5 + x0 - x2`` and so on, where x0, x1, ... are neighbours in one channel.
    ``dtype``: of the inputs; ``clamp``: to this type's interval, at the end; ``rows``: output positions of an image."""

    lines: tuple[str, ...]
    dtype: IntType = U4
    clamp: IntType | None = None
    rows: int = 64

    def __str__(self) -> str:
        clamp = f", y clamped to {self.clamp}" if self.clamp else ""
        rows = "row" if self.rows == 1 else "rows"
        return "\n".join([*self.lines, f"; x of type {self.dtype}{clamp}, {self.rows} {rows} an image"])

    def graph(self) -> Graph:
        """One convolution, and its requantisation if there is one."""
        terms = [re.findall(r"([+-]?) ?x(\d+)", line) for line in self.lines]
        taps = 1 + max(int(number) for line in terms for _, number in line)
        weights = np.zeros((len(terms), 1, 1, taps), np.int64)
        for output, line in enumerate(terms):
            for sign, number in line:
                weights[output, 0, 0, int(number)] = -1 if sign == "-" else 1
        signed = [re.findall(r"([+-]?) ?\b(\d+)\b", line) for line in self.lines]
        constants = [Fraction(sum(-int(n) if sign == "-" else int(n) for sign, n in line)) for line in signed]
        if any(constants) and self.clamp is None:
            raise ValueError("a constant needs a clamp, which it is added before")
        nodes: Nodes = {"sums": (Conv(weights), ("x",))}
        if self.clamp is not None:
            nodes["clamped"] = (_clamped(self.clamp, constants), ("sums",))
        return _graph((1, 1, self.rows + taps - 1), self.dtype, nodes, list(nodes)[-1])


def _clamped(kind: IntType, constants: list[Fraction]) -> Requantise:
    """A constant a channel is added, and the result clamped to a type's interval."""
    ones, unit = (Fraction(1),) * len(constants), QuantParams(np.ones(1, np.float32), np.zeros(1, np.int64))
    return Requantise((ones,), tuple(constants), 0, kind.min, kind.max, kind, Rounding.HALF_EVEN, unit)


def _graph(shape: tuple[int, int, int], kind: IntType, nodes: Nodes, output: str) -> Graph:
    """A graph of one input ``x`` and these nodes, of which ``output`` is the network's."""
    graph = Graph("example")
    graph.add("x", Input(shape, kind, None, kind.min, kind.max))
    graph.graph_inputs.append(GraphInput("x", "x", (None, *shape), "int64", None, None, kind.min, kind.max))
    for name, (op, sources) in nodes.items():
        graph.add(name, op, sources)
    graph.outputs.append(GraphOutput("y", output, (None, *graph.type(output).shape), "int64", None, None, None))
    return graph


def _with_unread_node() -> Graph:
    nodes: Nodes = {"unread": (MaxPool((1, 3)), ("x",)), "read": (MaxPool((1, 2)), ("x",))}
    return _graph((1, 1, 65), U4, nodes, "read")


def _with_equal_nodes() -> Graph:
    pool = MaxPool((1, 2))
    nodes: Nodes = {"left": (pool, ("x",)), "right": (pool, ("x",)), "both": (Concat(), ("left", "right"))}
    return _graph((1, 1, 65), U4, nodes, "both")


# --- examples -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A pass, a network on which it does something, and the passes that are on beside it. ``phase``: what is shown of
    the layer's instructions."""

    item: Pass | LayerPass
    network: Equations | Callable[[], Graph]
    base: tuple[LayerPass, ...] = ()
    phase: str = "sum 0"


ALIKE = Equations(("y0 = x0 + x1 - x2", "y1 = x0 + x1 + x3", "y2 = x2 - x0 - x1"))
BIASED = Equations(("y0 = 900 + x0 + x1 + x2", "y1 = 500 + x0 + x1 - x3", "y2 = 700 - x1 + x2 + x3"), U2, U10)
SIGNED = Equations(("y0 = x0 + x1 - x2", "y1 = x0 - x1 + x2", "y2 = x0 + x1 + x2"), S4)
SHORT = Equations(("y0 = x0 + x1", "y1 = x1 + x2", "y2 = x0 + x2"))
CLAMPED = Equations(("y0 = x0 - x1", "y1 = x1 - x2", "y2 = x2 - x0"), clamp=U4)
UNSIGNED = (Widths("always"), Selection())
"""No instructions that clear columns or extend signs, where they are not the point."""

EXAMPLES: dict[str, Example] = {
    example.item.name: example
    for example in (
        Example(DeadCode(), _with_unread_node),
        Example(MergeDuplicates(), _with_equal_nodes),
        Example(Cse(), ALIKE),
        Example(RowSums("always"), BIASED),
        Example(Tiling(), Equations(ALIKE.lines, rows=1), UNSIGNED),
        Example(Widths("always"), SIGNED),
        Example(Selection(), ALIKE, (RowSums("always"), Widths("always"))),
        Example(Placement(), SHORT, UNSIGNED),
        Example(ShareRequantise(), CLAMPED, UNSIGNED, "requantise"),
        Example(Encoding(), SHORT, UNSIGNED),
    )
}


@dataclass(frozen=True, eq=False)
class Outcome:
    """An example compiled. ``decisions``: as text; ``figures``: what it costs, by heading."""

    program: Program
    decisions: str
    figures: dict[str, float]


def outcome(example: Example, on: bool) -> Outcome:
    """The example without its pass, or with it."""
    graph = example.network.graph() if isinstance(example.network, Equations) else example.network()
    layer, figures = example.base, dict[str, float]()
    if isinstance(example.item, LayerPass):
        layer += (example.item,) * on
    else:
        run_passes(graph, [example.item] * on)
        figures["nodes"] = len(graph)
    decisions: list[Decision] = []
    target, origin = load_target(TARGET), Origin("", "O0", ())
    program = compile_graph(graph, target, origin, None, Pipeline(layer), decisions.append, workers=1)
    figures |= _figures(compile_report(program, 0.0, []))
    return Outcome(program, decisions_text(decisions), figures)


def _figures(report: dict[str, Any]) -> dict[str, float]:
    """EFFECTS of the network, and the estimated energy of an image in joules."""
    totals = {"columns": max(layer["columns"] for layer in report["layers"]), **report["totals"]}
    return {**{heading: totals[key] for key, heading in EFFECTS.items()}, ENERGY: report["energy_estimate_J"]["total"]}


# --- listings -----------------------------------------------------------------------------------------------------


def listing(program: Program, phase: str) -> Iterator[str]:
    """A phase of the program's only tile: where its values lie, then every instruction with what it costs."""
    (layer,) = program.layers
    (tile,) = layer.tiles
    records = macro_records(program, Window(0, layer, 0, tile, 0, len(tile.instructions)))
    shown = records[slice(*find_phase(layer, tile, phase))]
    operands = [(operand == "r", Field(**at)) for record in shown for operand, at in record["operands"].items()]
    used = {(written, at.cell(0)) for written, at in operands}
    places = [(name, at) for name, at in _places(program, records) if (name.startswith("y"), at.cell(0)) in used]
    yield "; " + ", ".join(f"{name} in {field_text(at)}" for name, at in places)
    plain = np.full(len(records), RECORD_BITS)
    bits = plain if program.encoding == PLAIN else instruction_bits(tile)
    width = max(len(record["text"]) for record in shown)
    for record in shown:
        counts = (*(record[key] for key in COSTS), bits[record["address"]])
        words = ", ".join(f"{count:3} {name}" for count, name in zip(counts, (*COSTS.values(), "bits"), strict=True))
        yield f"{record['text']:<{width}}  ; {words}"


def _places(program: Program, records: list[dict[str, Any]]) -> Iterator[tuple[str, Field]]:
    """Where inputs, weights that lie in the array, and outputs are. ``records``: of all instructions."""
    (layer,) = program.layers
    for record in records:
        if record["opcode"] == "gather":
            yield f"x{record['gather']['row_map']}", Field(**record["operands"]["r"])
    for letter, fields in (("w", layer.resident_fields), ("y", program.tensors[layer.output].fields)):
        for number, (_, column, domain, width, signed, across) in enumerate(fields.tolist()):
            yield f"{letter}{number}", Field(column, domain, width, bool(signed), bool(across))
