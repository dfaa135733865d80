"""What `apc run` reports: outputs' check, counted events, and their price."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from apc.batches import PER_PROGRAM
from apc.cycles import READ_OUT
from apc.driver import RunResult
from apc.machine_use import MachineUse, machine_use
from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit
from backends.rtm_ap.placement import Distance
from ir.program import Program
from simulator.rtm.counters import CLASS_NAMES, LayerCounters


def run_report(program: Program, result: RunResult, engine: str) -> dict[str, Any]:
    """The payload of `apc run --json` (docs/json.md). Energies and events are per image, times are for all of them."""
    total = LayerCounters()
    for counters in result.simulation.layers:
        total.add(counters)
    layers: list[dict[str, Any]] = []
    uses = _uses(result)
    each = zip(program.layers, result.simulation.layers, result.cost.layers, uses, strict=True)
    for layer, counters, cost, use in each:
        layers.append(
            {
                "name": layer.name,
                "op": layer.op,
                "cycles": int(cost.counters["cycles"]),
                "latency_s": sum(cost.latency_s.values()),
                "counters": per_image(counters, result.images),
                **schedule_figures(use, counters, result.images),
                "energy_J": {**cost.energy_J, "total": sum(cost.energy_J.values())},
            }
        )
    report = {
        "images": result.images,
        "batch": max(batch.images for batch in result.batches),
        "engine": engine,
        "wall_s": result.wall_s,
        "cycles": sum(layer["cycles"] for layer in layers),
        "latency_s": result.cost.latency_s(),
        "counters": per_image(total, result.images),
        **schedule_figures(sum(uses, MachineUse()), total, result.images),
        "energy_J": result.cost.energy_J(),
        "layers": layers,
        "host_steps": program.host_steps,
    }
    return report | _asked_for(program, result)


def _asked_for(program: Program, result: RunResult) -> dict[str, Any]:
    """The keys that a run has by its options: "check", "accuracy", "wear"."""
    report: dict[str, Any] = {}
    if result.check is not None:
        check = result.check
        report["check"] = {
            "against": check.against,
            "elements": check.elements,
            "mismatches": check.mismatches,
            "max_abs_difference": check.max_abs_difference,
        }
    if result.accuracy is not None:
        report["accuracy"] = result.accuracy
    if result.wear is not None:
        life = result.wear.lifetime
        names = [layer.name for layer in program.layers]
        report["wear"] = {
            "array": life.array,
            "writes": life.writes,
            "years": life.years if math.isfinite(life.years) else None,
            "layers": [{"name": name, **cell._asdict()} for name, cell in zip(names, result.wear.layers, strict=True)],
        }
    return report


def _uses(result: RunResult) -> list[MachineUse]:
    """Of every layer, in all batches."""
    sizes = [batch.images for batch in result.batches]
    of_size = {images: machine_use(result.accounts, images) for images in set(sizes)}
    each = zip(*(of_size[images] for images in sizes), strict=True)
    return [sum(uses, MachineUse()) for uses in each]


def per_image(counters: LayerCounters, images: int) -> dict[str, float]:
    """Totals over the instruction classes; those that grow with the images divided by their number."""
    return {name: total if name in PER_PROGRAM else total / images for name, total in counters.totals().items()}


def schedule_figures(use: MachineUse, counters: LayerCounters, images: int) -> dict[str, Any]:
    """The keys of a layer, or of the whole network, that follow its ``counters`` (docs/json.md)."""
    by_class = {
        name: {kind: events if name in PER_PROGRAM else events / images for kind, events in classes.items()}
        for name, classes in counters.as_dict().items()
    }
    kinds = [*CLASS_NAMES.values(), READ_OUT]
    return {
        "by_class": {"cycles": {kind: use.cycles[kind] for kind in kinds if kind in use.cycles}, **by_class},
        "instructions_fetched": use.instructions_fetched / images,
        "moved_bits_by_distance": {place.name.lower(): int(use.gathered_bits[place]) / images for place in Distance},
        "read_out_bits": use.read_out_bits / images,
        "utilisation": {"arrays": use.array_utilisation, "rows": use.row_utilisation},
    }


_COLUMNS = [
    Column("layer", text=True),
    Column("cycles"),
    Column("searched"),
    Column("written"),
    Column("shifted", rank=1),
    Column("moved", rank=2),
    Column("arrays", rank=3),
    Column("rows", rank=4),
    Column("energy"),
]


def layer_table(report: dict[str, Any], width: int) -> list[Table | str]:
    """Per layer: cycles of all images, events and energy per image, how busy its arrays and powered rows are. Lines of
    ``width`` letters."""
    rows: list[Row] = []
    for row in [*report["layers"], {**report, "name": "all"}]:
        counters = row["counters"]
        if row["name"] == "all":
            rows.append(None)
        events = [
            counters["search_rows"] + counters["source_search_rows"],
            counters["written_bits"],
            counters["shifted_bits"] + counters["source_shifted_bits"],
            counters["moved_bits"],
        ]
        shares = [f"{row['utilisation'][part]:.0%}" for part in ("arrays", "rows")]
        counts = [with_unit(event, "").rstrip() for event in (row["cycles"], *events)]
        rows.append([row["name"], *counts, *shares, with_unit(row["energy_J"]["total"], "J")])
    return fitted(_COLUMNS, rows, width)


def summary(report: dict[str, Any]) -> list[str]:
    """A few lines: time, energy by component, what is left to the host, the check."""
    parts = ", ".join(
        f"{part} {with_unit(value, 'J')}" for part, value in report["energy_J"].items() if part != "total"
    )
    shared = f" in batches of {report['batch']}" if report["images"] > 1 else ""
    lines = [
        f"{report['images']} image(s) in {report['wall_s']:.2f} s of simulation; "
        f"{report['cycles']:,} cycles, {with_unit(report['latency_s'], 's')} on the machine for all of them",
        f"energy per image {with_unit(report['energy_J']['total'], 'J')}{shared}: {parts}",
        f"cycles: {_shares(report['by_class']['cycles'])}",
        f"gathered bits by distance: {_shares(report['moved_bits_by_distance'])}",
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
    if "wear" in report:
        lines += _wear_lines(report["wear"])
    if "accuracy" in report:
        lines.append(f"accuracy {report['accuracy']:.2%}")
    return lines


def _wear_lines(wear: dict[str, Any]) -> list[str]:
    hottest = max(wear["layers"], key=lambda layer: layer["writes"])
    years = "no cell is ever written" if wear["years"] is None else f"{wear['years']:.3g} years of life"
    return [
        f"wear: {years} at the target's endurance, batch after batch without a pause: array {wear['array']} has a cell "
        f"that takes at most {wear['writes']:,} writes a batch",
        f"hottest cell of a layer: {hottest['name']}, tile {hottest['tile']}, row {hottest['row']}, column "
        f"{hottest['column']}, domain {hottest['domain']}: {hottest['writes']:,} writes a batch",
    ]


def _shares(parts: dict[str, float]) -> str:
    """Parts of a sum in percent, the largest first, those below half a percent left out."""
    total = sum(parts.values())
    largest = sorted(parts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {value / total:.0%}" for name, value in largest if value > 0.005 * total) or "none"
