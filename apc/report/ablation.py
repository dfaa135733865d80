"""What `apc compile --ablate` reports: the passes as they are, then each of them off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table

from apc.ablation import Ablation
from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit

FIGURES = {
    "adds": "adds",
    "bit_adds": "bit-adds",
    "search_passes": "searches",
    "write_passes": "writes",
    "written_bits_estimate": "written bits x rows",
    "shifted_bits": "shifts x rows",
    "encoded_bits": "enc. bits",
}
"""Totals of a compile report in the table, and their headings."""


def ablation_rows(ablations: Iterable[Ablation]) -> list[dict[str, Any]]:
    """``ablation`` of `apc compile --json`. The first of ``ablations`` has all passes on: the others are compared with
    it."""
    rows: list[dict[str, Any]] = []
    for item in ablations:
        row: dict[str, Any] = {"off": item.off, "refused": item.refused or None}
        if item.report is None:
            row |= dict.fromkeys((*FIGURES, "energy_estimate_J", "energy_ratio", "compile_s"))
        else:
            totals, energy = item.report["totals"], item.report["energy_estimate_J"]
            base = rows[0]["energy_estimate_J"]["total"] if rows else energy["total"]
            row |= {key: totals[key] for key in FIGURES}
            row |= {"energy_estimate_J": energy, "energy_ratio": energy["total"] / base if base else 1.0}
            row["compile_s"] = item.report["compile_s"]
        rows.append(row)
    return rows


def ablation_table(rows: list[dict[str, Any]], level: str, width: int) -> list[Table | str]:
    """The rows for people, in lines of ``width`` letters. ``level``: name of the first."""
    counted = [Column(heading, rank=1 + number) for number, heading in enumerate(FIGURES.values())]
    columns = [Column("passes", text=True), *counted, *map(Column, ("estimate", "ratio", "compile"))]
    lines: list[Row] = []
    refused = []
    for row in rows:
        name = level if row["off"] is None else f"without {row['off']}"
        if row["refused"] is not None:
            refused.append(f"{name}: does not fit: {row['refused']}")
            continue
        counts = [f"{row[key]:,.0f}" for key in FIGURES]
        energy = with_unit(row["energy_estimate_J"]["total"], "J")
        lines.append([name, *counts, energy, f"{row['energy_ratio']:.3f}", f"{row['compile_s']:.1f} s"])
    return [*fitted(columns, lines, width), *refused]
