"""The JSON schema of a `CrossbarConfig`, from the same table as its checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from simulator.analog.config import CrossbarConfig
from simulator.analog.config_checks import ADC_RANGES, TABLES
from simulator.analog.config_fields import FIELDS, RECORDS, Choice, Number, Switch

_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


def schema() -> dict[str, Any]:
    """Accepts what `CrossbarConfig.from_table` accepts as far as one field tells; contradictions between fields are
    found by the checks only."""
    properties = {name: _of(spec) for name, spec in FIELDS.items()}
    properties["input_range"] = _PAIR | {
        "description": "lowest and highest input; inputs beyond are clipped where dac_bits > 0"
    }
    properties["weight_max"] = {
        "description": "what becomes the highest conductance: the largest |weight| or a percentile of |weight|",
        "anyOf": [{"const": "max"}, {"type": "number", "exclusiveMinimum": 0, "maximum": 100}],
    }
    properties["adc_range"] = {
        "description": "in units of Gmax x full input; a list of ranges: one per slice, lowest first",
        "anyOf": [{"enum": list(ADC_RANGES)}, _PAIR, {"type": "array", "items": _PAIR, "minItems": 1}],
    }
    properties["programming_error"] = _error("error of a programmed cell", tuple(TABLES))
    properties["read_noise"] = _error("noise of a cell in every read", ("sonos",))
    properties["drift"] = _record("what happens after programming", RECORDS["Drift"], ["model"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "CrossbarConfig",
        "description": (CrossbarConfig.__doc__ or "").split("\n\n")[0].replace("\n    ", " "),
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
    }


def _of(spec: Choice | Switch | Number) -> dict[str, Any]:
    described = {"description": spec.meaning}
    if isinstance(spec, Choice):
        return described | {"enum": [*spec.names, *([None] if spec.optional else [])]}
    if isinstance(spec, Switch):
        return described | {"type": "boolean"}
    number: dict[str, Any] = {"type": "integer" if spec.whole else "number"}
    number["exclusiveMinimum" if spec.above else "minimum"] = spec.low
    if math.isfinite(spec.high):
        number["maximum"] = spec.high
    others: list[dict[str, Any]] = [{"type": "null"}] if spec.optional else []
    others += [{"const": "inf"}] if spec.infinite else []
    return described | ({"anyOf": [number, *others]} if others else number)


def _record(meaning: str, specs: Mapping[str, Choice | Switch | Number], required: list[str]) -> dict[str, Any]:
    return {
        "description": meaning,
        "type": ["object", "null"],
        "properties": {name: _of(spec) for name, spec in specs.items()},
        "required": required,
        "additionalProperties": False,
    }


def _error(meaning: str, tables: tuple[str, ...]) -> dict[str, Any]:
    name = {
        "description": "a measured table or the path of a CSV file",
        "anyOf": [{"enum": list(tables)}, {"type": "string", "pattern": "\\.csv$"}],
    }
    table = _record(meaning, {"full_scale": RECORDS["ErrorTable"]["full_scale"]}, ["table"])
    table["properties"] = {"table": name} | table["properties"]
    gaussian = _record(meaning, RECORDS["ProgrammingError"], [])
    return {"description": meaning, "anyOf": [*name["anyOf"], table, gaussian]}
