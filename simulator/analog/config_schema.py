"""The JSON schema of a `CrossbarConfig`, from the same table as its checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.analog.config import CrossbarConfig
from simulator.analog.config_checks import ADC_RANGES, TABLES
from simulator.analog.config_fields import FIELDS, RECORDS
from simulator.analog.config_table import schema_of_table
from simulator.analog.field_specs import Spec, schema_of

_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


def schema() -> dict[str, Any]:
    """Accepts what `CrossbarConfig.from_table` accepts as far as one field tells; contradictions between fields are
    found by the checks only."""
    properties = {name: schema_of(spec) for name, spec in FIELDS.items()}
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
    return schema_of_table(CrossbarConfig, properties)


def _record(meaning: str, specs: Mapping[str, Spec], required: list[str]) -> dict[str, Any]:
    return {
        "description": meaning,
        "type": ["object", "null"],
        "properties": {name: schema_of(spec) for name, spec in specs.items()},
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
