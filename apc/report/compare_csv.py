"""A comparison as CSV: a line for each backend, then one for each of its layers."""

from __future__ import annotations

import csv
import io
from typing import Any

from backends.cost import COMPONENTS

_ENERGIES = [f"{component}_J" for component in COMPONENTS]
_NETWORK = ("area_m2", "energy_delay_Js", "macs", "energy_per_mac_J", "tops_per_W", "movement_share")
_RESULTS = ("agreement", "accuracy", "ratio_to_ap")
COLUMNS = ("backend", "kind", "layer", "batch", "images", *_ENERGIES, "energy_J", "latency_s", *_NETWORK, *_RESULTS)


def compare_csv(report: dict[str, Any]) -> str:
    """``report``: of ``apc.report.compare.compare_report``. ``layer`` is empty in the line of a whole backend,
    ``images`` without a dataset, ``area_m2`` of a layer where arrays are not its own: a cell that does not apply is
    empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    run = {"batch": report["workload"]["batch"], "images": _cell(report["images"])}
    for backend in report["backends"]:
        own = {"backend": backend["name"], "kind": backend["kind"], **run}
        table.writerow({**own, **_shared(backend), **{key: _cell(backend[key]) for key in (*_NETWORK, *_RESULTS)}})
        for layer in backend["layers"]:
            table.writerow({**own, "layer": layer["name"], **_shared(layer), "area_m2": _cell(layer["area_m2"])})
    return text.getvalue()


def _shared(part: dict[str, Any]) -> dict[str, Any]:
    energy = part["energy_J"]
    components = {f"{name}_J": energy[name] for name in COMPONENTS if name in energy}
    return {**components, "energy_J": energy["total"], "latency_s": part["latency_s"]}


def _cell(value: float | None) -> float | str:
    return "" if value is None else value
