"""What `apc run --faults` reports: faulty runs against the fault-free one, and what mitigation costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Table

from apc.fault_file import FaultFile
from apc.intervals import CONFIDENCE
from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit
from apc.trials import TrialsResult

_METHODS = {"t": "t interval over the trials", "wilson": "Wilson interval over the images"}


def faults_report(file: FaultFile, found: TrialsResult) -> dict[str, Any]:
    """The value of `faults` in the payload of `apc run --json` (docs/json.md)."""
    report: dict[str, Any] = {
        "name": file.name,
        "description": file.description,
        "seed": found.seed,
        "trials": found.trials,
        "agreement": asdict(found.agreement),
        "logit_error": [asdict(error) for error in found.logit_errors],
        "events": found.events,
        "layers": [asdict(layer) for layer in found.layers],
        "overhead": asdict(found.overhead),
    }
    if found.accuracy is not None:
        report["accuracy"] = asdict(found.accuracy)
    return report


_PARTS = {
    "shifts": ("over", "under", "pinned"),
    "corrected": ("corrected",),
    "searches": ("false_match", "false_mismatch"),
    "writes": ("not_switched",),
    "stuck": ("stuck_zero", "stuck_one"),
}
"""Columns of the table, and the kinds of events that each sums up, those in gathered tensors' arrays included."""


def faults_table(report: dict[str, Any], width: int) -> list[Table | str]:
    """Per layer: events an image by what failed, what differs from the fault-free run, and where differences begin.
    Lines of ``width`` letters."""
    parts = [part for part in _PARTS if _events(report["events"], part)]
    columns = [Column("layer", text=True), *map(Column, (*parts, "different", "first"))]
    rows: list[Row] = []
    for layer in report["layers"]:
        counts = [_number(_events(layer["events"], part)) for part in parts]
        rows.append([layer["name"], *counts, _percent(layer["different"]), _percent(layer["first"])])
    first = sum(layer["first"] for layer in report["layers"])
    totals = [_number(_events(report["events"], part)) for part in parts]
    return fitted(columns, [*rows, None, ["all", *totals, "", _percent(first)]], width)


def _events(events: dict[str, float], part: str) -> float:
    return sum(events.get(kind, 0) + events.get(f"source_{kind}", 0) for kind in _PARTS[part])


def faults_summary(report: dict[str, Any]) -> list[str]:
    """A few lines: what the trials say about accuracy and outputs, and the price of mitigation."""
    kinds = ", ".join(f"{kind} {_number(count)}" for kind, count in sorted(report["events"].items()) if count)
    lines = [
        f"faults {report['name']}, seed {report['seed']}, {report['trials']} trial(s)",
        f"events an image: {kinds or 'none'} (source_: while reading a gathered tensor)",
        "different: share of a layer's output that is not that of the fault-free run",
        "first: share of the images in which a layer is the first to differ",
    ]
    if "accuracy" in report:
        lines.append(f"accuracy with faults {_interval(report['accuracy'])}")
    lines.append(f"top class as without faults {_interval(report['agreement'])}")
    for error in report["logit_error"]:
        units, steps = error["units"], error["steps"]
        lines.append(
            f"error of {error['output']}: at most {units['max_abs']:.3g} ({steps['max_abs']:g} steps), mean "
            f"{units['mean_abs']:.3g} ({steps['mean_abs']:.3g}), rms {units['rms']:.3g} ({steps['rms']:.3g})"
        )
    return lines + _overhead(report["overhead"])


def _overhead(overhead: dict[str, Any]) -> list[str]:
    lines = []
    if overhead["checks"]:
        lines.append(
            f"mitigation: {overhead['realignments']:,} realignments, {overhead['checks']:,} checks of columns: "
            f"{overhead['cycles']:,} cycles, {with_unit(overhead['latency_s'], 's')} more "
            f"({overhead['latency_share']:+.1%}); {with_unit(overhead['energy_J'], 'J')} more an image "
            f"({overhead['energy_share']:+.1%})"
        )
    if overhead["wire_length_share"]:
        lines.append(f"guard domains: wires {overhead['wire_length_share']:+.1%} long; the area of the arrays stays")
    return lines


def _interval(found: dict[str, Any]) -> str:
    return (
        f"{found['mean']:.2%}, {CONFIDENCE:.0%} between {found['low']:.2%} and {found['high']:.2%} "
        f"({_METHODS[found['method']]})"
    )


def _number(count: float) -> str:
    """A mean number of events."""
    return f"{count:.3g}" if count < 999.5 else with_unit(count, "").rstrip()


def _percent(share: float) -> str:
    return f"{share:.3%}" if 0 < share < 0.01 else f"{share:.1%}"
