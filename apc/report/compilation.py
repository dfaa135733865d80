"""What `apc compile` reports: exact static counts of every layer and an energy estimate."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from apc.accounting import Accounts, LayerStatics
from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit
from backends.cost import CostReport
from ir.program import Program

STATISTICS = ("nonzero_weights", "adds_naive", "adds", "bit_adds")
COUNTS = ("instructions", "encoded_bits", "search_passes", "write_passes", "shift_steps", "cycles", "resident_bits")
EVENTS = ("written_bits_estimate", "shifted_bits")
"""Over all rows of an image."""


def compile_report(program: Program, compile_s: float, warnings: list[str]) -> dict[str, Any]:
    """The payload of `apc compile --json` (docs/json.md). Counts are static and exact; energies are estimates for
    one image, from the bits that are expected to switch."""
    accounts = Accounts(program)
    estimate = accounts.cost(images=1)
    layers = [_layer(program, index, statics, estimate) for index, statics in enumerate(accounts.layers())]
    totals = {key: sum(layer[key] for layer in layers) for key in (*STATISTICS, *COUNTS, *EVENTS)}
    return {
        "model_sha256": program.model_sha256,
        "target": program.target["name"],
        "level": program.level,
        "passes": program.passes,
        "layers": layers,
        "totals": {**totals, "energy_estimate_J": estimate.energy_J()},
        "energy_estimate_J": estimate.energy_J(),
        "programming_energy_J": totals["resident_bits"] * accounts.target.energy.write_bit_J,
        "compile_s": compile_s,
        "host_steps": program.host_steps,
        "warnings": warnings,
    }


def _layer(program: Program, index: int, statics: LayerStatics, estimate: CostReport) -> dict[str, Any]:
    statistics = program.layers[index].statistics
    cost = estimate.layers[index]
    energy = dict(cost.energy_J)
    return {
        "name": statics.name,
        "op": statics.op,
        "positions": statics.positions,
        **{key: statistics[key] for key in STATISTICS},
        **{key: getattr(statics, key) for key in COUNTS},
        "written_bits_estimate": cost.counters["written_bits"],
        "shifted_bits": cost.counters["shifted_bits"],
        "columns": statics.columns,
        "arrays": statics.arrays,
        "groups": statistics["groups"],
        "energy_estimate_J": {**energy, "total": sum(energy.values())},
    }


_COLUMNS = [
    Column("layer", text=True),
    Column("rows", rank=5),
    Column("adds", rank=2),
    Column("bit-adds", rank=4),
    Column("instr."),
    Column("enc. bits", rank=6),
    Column("searches", rank=1),
    Column("shifts", rank=3),
    Column("cycles"),
    Column("estimate"),
]


def compile_table(report: dict[str, Any], width: int) -> list[Table | str]:
    """The report for people, with a line of totals, in lines of ``width`` letters."""
    shown = ("adds", "bit_adds", "instructions", "encoded_bits", "search_passes", "shift_steps", "cycles")
    rows: list[Row] = []
    for layer in report["layers"]:
        counts = [f"{layer[key]:,}" for key in shown]
        energy = with_unit(layer["energy_estimate_J"]["total"], "J")
        rows.append([layer["name"], f"{layer['positions']:,}", *counts, energy])
    totals = report["totals"]
    energy = with_unit(totals["energy_estimate_J"]["total"], "J")
    rows += [None, ["all", "", *(f"{totals[key]:,}" for key in shown), energy]]
    return fitted(_COLUMNS, rows, width)
