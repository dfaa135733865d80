"""What `apc compare` reports, as JSON has it (docs/json.md)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apc.comparison.backend import Backend
from apc.comparison.break_even import HEADLINE, HEADLINE_MOVEMENT, HEADLINE_SOURCE, BreakEven
from apc.comparison.driver import Comparison
from apc.comparison.sensitivity import Row, Sensitivity
from apc.intervals import Interval
from apc.report.figures import figure_rows
from backends.cost import CostReport, LayerCost


def compare_report(comparison: Comparison) -> dict[str, Any]:
    """The payload of `apc compare --json`. Energies are per image and sum up exactly."""
    own_share, least, most = HEADLINE_MOVEMENT
    return {
        "workload": {
            **asdict(comparison.workload),
            "weight_bits": list(comparison.workload.weight_bits),
            "activation_bits": list(comparison.workload.activation_bits),
        },
        "images": comparison.images,
        "reference": comparison.reference.name,
        "backends": [_backend(comparison, item) for item in comparison.backends],
        "break_even": {
            "headline": {
                "ratio": HEADLINE,
                "source": HEADLINE_SOURCE,
                "movement_share_ap": own_share,
                "movement_share_crossbar": [least, most],
            },
            "pairs": [_break_even(item) for item in comparison.break_even],
        },
        "sensitivity": {
            "factor": comparison.factor,
            "pairs": [_sensitivity(item) for item in comparison.sensitivity],
        },
        "notes": list(comparison.notes),
    }


def _backend(comparison: Comparison, item: Backend) -> dict[str, Any]:
    found = item.accuracy
    return {
        "name": item.name,
        "preset": item.preset,
        "kind": item.kind,
        "description": item.description,
        "overrides": list(item.overrides),
        "energy_J": item.report.energy_by_component_J(),
        "energy_source": item.energy_source,
        "latency_s": item.image_s,
        "batch_latency_s": item.batch_s,
        "area_m2": item.area_m2,
        "energy_delay_Js": item.energy_delay_Js,
        "macs": item.macs,
        "energy_per_mac_J": item.energy_per_mac_J,
        "tops_per_W": item.tops_per_W,
        "movement_share": item.movement_share,
        "accuracy": None if found is None or found.accuracy is None else found.accuracy.mean,
        "accuracy_interval": _ends(None if found is None else found.accuracy),
        "agreement": None if found is None else found.agreement.mean,
        "agreement_interval": _ends(None if found is None else found.agreement),
        "ratio_to_ap": comparison.ratio_to_ap(item),
        "layers": _layers(item.report),
        "notes": list(item.notes),
        "figures": figure_rows(item.figures),
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _layers(report: CostReport) -> list[dict[str, Any]]:
    """Areas are None where the silicon is not apportioned: the layers of such a chip use it in turn."""
    apportioned = any(layer.area_m2 for layer in report.layers)
    return [_layer(report, layer, apportioned) for layer in report.layers]


def _layer(report: CostReport, layer: LayerCost, apportioned: bool) -> dict[str, Any]:
    return {
        "name": layer.name,
        "energy_J": report.layer_energy_J(layer),
        "latency_s": sum(layer.latency_s.values()) / report.images,
        "area_m2": sum(layer.area_m2.values()) if apportioned else None,
        "counters": {name: value / report.images for name, value in layer.counters.items()},
    }


def _break_even(pair: BreakEven) -> dict[str, Any]:
    return {
        "ap": pair.ap,
        "crossbar": pair.crossbar,
        "ratio": pair.ratio,
        "headline_crossbar_J": pair.headline_crossbar_J,
        "reaches_headline": pair.reaches_headline,
        "figures": [asdict(figure) for figure in pair.figures],
        "devices": {**asdict(pair.devices), "keys": list(pair.devices.keys)},
        "adc": None if pair.adc is None else asdict(pair.adc),
    }


def _sensitivity(pair: Sensitivity) -> dict[str, Any]:
    return {
        "ap": pair.ap,
        "crossbar": pair.crossbar,
        "ratio": pair.ratio,
        "rows": [_row(row) for row in pair.rows],
        "unchanged": list(pair.unchanged),
        "refused": list(pair.refused),
    }


def _row(row: Row) -> dict[str, Any]:
    probe = row.probe
    return {
        "backend": probe.backend,
        "key": probe.key,
        "unit": probe.unit,
        "value": probe.value,
        "low": probe.low,
        "high": probe.high,
        "ratio_low": row.ratio_low,
        "ratio_high": row.ratio_high,
        "swing": row.swing,
        "flips": row.flips,
    }
