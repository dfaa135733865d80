"""What `apc run` reports: outputs' check, counted events, and their price."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from apc.driver import RunResult
from apc.report.units import with_unit
from ir.program import Program
from simulator.rtm.counters import LayerCounters

STATIC = ("instructions", "search_passes", "write_passes", "shift_steps", "source_search_passes", "source_shift_steps")
"""Counters of the instruction streams, whatever the number of images; all the others are per image."""


def run_report(program: Program, result: RunResult, engine: str) -> dict[str, Any]:
    """The payload of `apc run --json` (docs/json.md). Energies and events are per image, times are for the batch."""
    total = LayerCounters()
    for counters in result.simulation.layers:
        total.add(counters)
    layers: list[dict[str, Any]] = []
    for layer, counters, cost in zip(program.layers, result.simulation.layers, result.cost.layers, strict=True):
        layers.append(
            {
                "name": layer.name,
                "op": layer.op,
                "cycles": int(cost.counters["cycles"]),
                "latency_s": sum(cost.latency_s.values()),
                "counters": per_image(counters, result.images),
                "energy_J": {**cost.energy_J, "total": sum(cost.energy_J.values())},
            }
        )
    report = {
        "images": result.images,
        "engine": engine,
        "wall_s": result.wall_s,
        "cycles": sum(layer["cycles"] for layer in layers),
        "latency_s": result.cost.latency_s(),
        "counters": per_image(total, result.images),
        "energy_J": result.cost.energy_J(),
        "layers": layers,
        "host_steps": program.host_steps,
    }
    if result.check is not None:
        check = result.check
        report["check"] = {
            "against": check.against,
            "elements": check.elements,
            "mismatches": check.mismatches,
            "max_abs_difference": check.max_abs_difference,
        }
    return report


def per_image(counters: LayerCounters, images: int) -> dict[str, float]:
    """Totals over the instruction classes; those that grow with the images divided by their number."""
    return {name: total if name in STATIC else total / images for name, total in counters.totals().items()}


def layer_table(report: dict[str, Any]) -> Table:
    """Per layer: cycles of the batch, events and energy per image."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("layer", overflow="fold")
    for heading in ("cycles", "searched rows", "written bits", "shifted bits", "moved bits", "energy"):
        table.add_column(heading, justify="right")
    for row in [*report["layers"], {**report, "name": "all"}]:
        counters = row["counters"]
        if row["name"] == "all":
            table.add_section()
        events = [
            counters["search_rows"] + counters["source_search_rows"],
            counters["written_bits"],
            counters["shifted_bits"] + counters["source_shifted_bits"],
            counters["moved_bits"],
        ]
        energy = with_unit(row["energy_J"]["total"], "J")
        table.add_row(row["name"], f"{row['cycles']:,}", *(f"{event:,.0f}" for event in events), energy)
    return table


def summary(report: dict[str, Any]) -> list[str]:
    """A few lines: time, energy by component, what is left to the host, the check."""
    parts = ", ".join(
        f"{part} {with_unit(value, 'J')}" for part, value in report["energy_J"].items() if part != "total"
    )
    shared = " of this batch" if report["images"] > 1 else ""
    lines = [
        f"{report['images']} image(s) in {report['wall_s']:.2f} s of simulation; "
        f"{report['cycles']:,} cycles, {with_unit(report['latency_s'], 's')} on the machine for all of them",
        f"energy per image{shared} {with_unit(report['energy_J']['total'], 'J')}: {parts}",
    ]
    lines += [
        f"left to the host: {step['operator']} {step['name']}, {step['bytes_per_image']:,} bytes an image"
        for step in report["host_steps"]
    ]
    if "check" in report:
        check = report["check"]
        lines.append(
            f"check against {check['against']}: {check['mismatches']:,} of {check['elements']:,} elements differ, "
            f"by at most {check['max_abs_difference']:g} steps"
        )
    return lines
