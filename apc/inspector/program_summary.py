"""Facts of a program for the page's summary: what it is, where it runs, its tensors, its graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from apc.report.figures import figure_rows
from apc.report.inspection import graph_of
from apc.version import installed_version
from backends.rtm_ap.cost import cycles_of
from backends.target import Target
from ir.program import Boundary, Program


def program_facts(program: Program, path: Path) -> dict[str, Any]:
    """What was compiled, and how; ``apc_version`` is empty where apc is not installed."""
    return {
        "name": program.name,
        "file": path.name,
        "model_sha256": program.model_sha256,
        "level": program.level,
        "passes": program.passes,
        "encoding": program.encoding,
        "apc_version": installed_version() or "",
        "host_steps": program.host_steps,
    }


def target_facts(target: Target) -> dict[str, Any]:
    """Sizes and times; ``transfer_cycles_per_gathered_bit``: of a bit column that a GATHER brings to an array,
    ``broadcast_cycles``: of a bit that a MAC broadcasts."""
    array = target.array
    transfer, broadcast = (int(cycles_of(target.timing, array.rows, 0, 0, 0, *bits)) for bits in ((1, 0), (0, 1)))
    return {
        "name": target.name,
        "description": target.description,
        "rows": array.rows,
        "columns": array.columns,
        "domains": array.domains,
        "arrays": array.arrays,
        "row_gate_rows": array.row_gate_rows,
        "search_or": target.features.search_or,
        "timing": {
            **vars(target.timing),
            "transfer_cycles_per_gathered_bit": transfer,
            "broadcast_cycles": broadcast,
        },
    }


def figures(target: Target, comparison: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Every figure of the program's target, and those of the other backends that ``comparison`` has."""
    backends = [] if comparison is None else comparison["backends"]
    of_backends = {target.name: figure_rows(target.figures())}
    for backend in backends:
        of_backends.setdefault(backend["name"], backend["figures"])
    return [{"backend": name, **row, "note": ""} for name, rows in of_backends.items() for row in rows]


def tensor_facts(program: Program) -> list[dict[str, Any]]:
    """Of every stored tensor; ``bits``: of its widest channel; ``input``, ``output``: its name in the network."""
    inputs, outputs = ({item.tensor: item.name for item in side} for side in (program.inputs, program.outputs))
    return [
        {
            "name": tensor.name,
            "shape": list(tensor.shape),
            "producer": tensor.producer,
            "bits": int(tensor.fields["width"].max()),
            "input": inputs.get(number),
            "output": outputs.get(number),
        }
        for number, tensor in enumerate(program.tensors)
    ]


def boundary_facts(program: Program) -> dict[str, Any]:
    """The integer ranges of what enters and leaves."""

    def facts(side: Sequence[Boundary]) -> list[dict[str, Any]]:
        return [{"name": item.name, "tensor": item.tensor, "lo": item.lo, "hi": item.hi} for item in side]

    return {"inputs": facts(program.inputs), "outputs": facts(program.outputs)}


def graph_facts(program: Program) -> dict[str, Any]:
    """Nodes and edges of ``apc.report.inspection.graph_of``."""
    graph = graph_of(program)
    return {
        "nodes": [{"id": name, **facts} for name, facts in graph.nodes(data=True)],
        "edges": [{"source": source, "target": target, **facts} for source, target, facts in graph.edges(data=True)],
    }
