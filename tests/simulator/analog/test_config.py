"""Configurations: what they read and write, what they refuse, and that the schema says the same."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulator.analog.config import CrossbarConfig, CrossbarConfigError, derived_slice_bits

FULL: dict[str, Any] = {
    "mapping": "differential",
    "weight_bits": 8,
    "slices": 4,
    "on_off_ratio": 20,
    "weight_max": 99.5,
    "dac_bits": 8,
    "input_range": [0, 255],
    "dac_signed": False,
    "adc_bits": 6,
    "adc_range": [[-1, 1], [-2, 2], [-4, 4], [-8, 8]],
    "programming_error": {"independent": 0.1},
    "read_noise": "sonos",
    "drift": {"model": "power_law", "time": 5, "exponent": 0.1},
    "row_resistance": 1e-4,
}

OFFSET = {"mapping": "offset"}
SLICED_INPUT = {"weight_bits": 4, "dac_bits": 4, "input_slice_bits": 1}
# what one field alone shows, so that the schema refuses it as well
BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"mapping": "balanced"}, "mapping = 'balanced': must be one of differential, offset"),
    ({"mapping": 3}, "mapping = 3"),
    ({"binary_mapping": "xnor"}, "binary_mapping = 'xnor'"),
    ({"subtract_in_analog": 1}, "subtract_in_analog = 1: must be true or false"),
    ({"slices": 0}, "slices = 0: must be a whole number from 1"),
    ({"slices": 1.5}, "slices = 1.5"),
    ({"slices": True}, "slices = True"),
    ({"cell_bits": -1}, "cell_bits = -1"),
    ({"on_off_ratio": 1}, "on_off_ratio = 1: must be a number more than 1"),
    ({"on_off_ratio": "infinite"}, "on_off_ratio = 'infinite'"),
    ({"weight_max": 0}, "weight_max = 0"),
    ({"weight_max": 101}, "weight_max = 101"),
    ({"weight_max": "most"}, "weight_max = 'most'"),
    ({"input_range": [0]}, "input_range = [0]"),
    ({"adc_range": "auto"}, "adc_range = 'auto'"),
    ({"adc_range": [1, "2"]}, "adc_range = [1, '2']"),
    ({"adc_range": []}, "adc_range = []"),
    ({"adc_percentile": 0}, "adc_percentile = 0"),
    ({"rows_max": -1}, "rows_max = -1"),
    ({"stuck_on": 1.5}, "stuck_on = 1.5"),
    ({"row_resistance": -1e-3}, "row_resistance = -0.001: must be a number from 0"),
    ({"topology": "bus"}, "topology = 'bus'"),
    ({"precision": "float16"}, "precision = 'float16'"),
    ({"programming_error": "unknown"}, "programming_error.table = 'unknown'"),
    ({"programming_error": {"sigma": 0.1}}, "programming_error: unknown field 'sigma' = 0.1"),
    ({"programming_error": {"independent": -0.1}}, "programming_error.independent = -0.1"),
    ({"read_noise": "pcm"}, "read_noise.table = 'pcm'"),
    ({"read_noise": {"table": "sonos", "full_scale": 0}}, "read_noise.full_scale = 0"),
    ({"drift": {"model": "sonos", "days": 6}}, "drift.days = 6"),
    ({"drift": {"days": 1}}, "drift = {'days': 1}"),
    ({"cells": 2}, "unknown field 'cells' = 2"),
]
# what only the values or several fields together show
CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"input_range": [1, -1]}, "input_range = [1, -1]: must be lo below hi"),
    ({"adc_range": [2, 1], "adc_bits": 4}, "adc_range = [2, 1]: must be lo below hi"),
    ({"on_off_ratio": math.nan}, "on_off_ratio = nan"),
    ({"row_resistance": math.nan}, "row_resistance = nan"),
    ({"input_range": [0, math.inf]}, "input_range"),
    ({"slices": 2}, "slices = 2: weight_bits is needed"),
    ({"slices": 9, "weight_bits": 8}, "slices = 9: more than weight_bits = 8"),
    ({"slices": 4, "weight_bits": 8, "cell_bits": 3}, "cell_bits = 3: 4 slices of 8 bits hold 2 bits each"),
    ({"weight_bits": 8, "cell_bits": 6}, "cell_bits = 6: weight_bits = 8 needs cells of 7 bits"),
    ({"weight_bits": 8, "cell_bits": 7, "mapping": "offset"}, "cell_bits = 7: weight_bits = 8 needs cells of 8 bits"),
    ({"cell_bits": 1, "mapping": "offset"}, "cell_bits = 1: offset mapping"),
    ({"slices": 2, "weight_bits": 4, "differential_style": "two_sided"}, "differential_style = two_sided"),
    ({"input_slice_bits": 1}, "input_slice_bits = 1: slices are of the DAC's bits"),
    ({"input_slice_bits": 4, "dac_bits": 4}, "input_slice_bits = 4: the DAC has 3 bits of magnitude"),
    ({"dac_bits": 1}, "dac_bits = 1: a signed DAC"),
    ({"adc_bits": 4, "adc_range": [0, 1], "adc_sign_magnitude": True}, "adc_sign_magnitude needs lo = -hi"),
    (OFFSET | {"adc_bits": 4, "dac_signed": False, "adc_sign_magnitude": True}, "adc_sign_magnitude = true"),
    ({"adc_bits": 4, "adc_range": [[0, 1], [0, 2]]}, "adc_range = [[0.0, 1.0], [0.0, 2.0]]: give one [lo, hi]"),
    ({"adc_bits": 4, "adc_range": "granular"}, "adc_range = granular: the step of a cell"),
    (
        SLICED_INPUT | {"adc_bits": 4, "adc_range": "granular", "adc_per_input_slice": False},
        "adc_range = granular: it is the step of one input slice",
    ),
    ({"topology": "separate_source", "dac_bits": 4}, "topology = separate_source"),
    ({"topology": "interleaved", "mapping": "offset"}, "topology = interleaved"),
    ({"topology": "interleaved", "subtract_in_analog": False}, "topology = interleaved"),
    ({"binary_mapping": "xnor_rows", "slices": 2}, "slices = 2: binary_mapping = xnor_rows"),
    ({"binary_mapping": "two_columns", "cell_bits": 2}, "cell_bits = 2: binary_mapping = two_columns"),
    ({"stuck_on": 0.6, "stuck_off": 0.6}, "stuck_on = 0.6"),
    ({"drift": {"model": "sonos"}, "programming_error": "sonos"}, "programming_error"),
    (
        {"programming_error": {"table": "pcm", "full_scale": 26}},
        "programming_error.full_scale = 26.0: must be at most 25",
    ),
    (
        {"drift": {"model": "power_law", "days": 2}},
        "drift.days = 2.0: model = power_law has no such",
    ),
    (
        {"drift": {"model": "sonos", "exponent": 0.1}},
        "drift.exponent = 0.1: model = sonos has no such",
    ),
    ({"programming_error": "missing.csv"}, "missing.csv: cannot be read"),
]


@pytest.mark.parametrize(("table", "message"), BAD_FIELDS + CONTRADICTIONS)
def test_bad_configurations_are_refused_by_name_and_value(table: dict[str, Any], message: str) -> None:
    with pytest.raises(CrossbarConfigError) as error:
        CrossbarConfig.from_table(table, "array.toml")
    assert str(error.value).startswith("array.toml: ") and message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("table", [FULL, {}, {"on_off_ratio": "inf", "adc_range": [0, 1]}])
def test_tables_are_read_and_written(table: dict[str, Any]) -> None:
    config = CrossbarConfig.from_table(table, "here")
    written = json.loads(json.dumps(config.as_table()))
    assert CrossbarConfig.from_table(written, "here") == config
    jsonschema.validate(written, CrossbarConfig.json_schema())
    jsonschema.validate(table, CrossbarConfig.json_schema())


def test_the_schema_refuses_what_one_field_shows() -> None:
    validator = jsonschema.Draft202012Validator(CrossbarConfig.json_schema())
    validator.check_schema(CrossbarConfig.json_schema())
    assert [table for table, _ in BAD_FIELDS if validator.is_valid(table)] == []


def test_the_schema_describes_every_field() -> None:
    schema = CrossbarConfig.json_schema()
    assert set(schema["properties"]) == set(vars(CrossbarConfig()))
    assert all(entry.get("description") for entry in schema["properties"].values())


def test_toml_files(tmp_path: Path) -> None:
    path = tmp_path / "array.toml"
    path.write_text(
        "slices = 2\nweight_bits = 6\non_off_ratio = inf\n[programming_error]\nindependent = 0.1\n", encoding="utf-8"
    )
    config = CrossbarConfig.from_toml(path)
    assert (config.slices, config.weight_bits, config.on_off_ratio) == (2, 6, math.inf)
    assert config.programming_error is not None and vars(config.programming_error)["independent"] == 0.1
    path.write_text("slices = \n", encoding="utf-8")
    with pytest.raises(CrossbarConfigError, match=r"array.toml: cannot be read as TOML"):
        CrossbarConfig.from_toml(path)
    with pytest.raises(CrossbarConfigError, match=r"nothing.toml: cannot be read"):
        CrossbarConfig.from_toml(tmp_path / "nothing.toml")


def test_configurations_load_nothing_heavy() -> None:
    uses = "import sys, simulator.analog.config as c; c.CrossbarConfig.json_schema()"
    script = f"{uses}; print({{'torch', 'numba', 'scipy'}} & set(sys.modules))"
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root)
    assert (result.stdout, result.stderr) == ("set()\n", "")


@pytest.mark.parametrize(
    ("bits", "slices", "differential", "expected"),
    [
        (8, 2, True, 4),
        (8, 4, True, 2),
        (8, 8, True, 1),
        (8, 3, True, 3),
        (8, 3, False, 3),
        (7, 3, True, 2),
        (7, 3, False, 3),
    ],
)
def test_bits_of_a_slice(bits: int, slices: int, differential: bool, expected: int) -> None:
    assert derived_slice_bits(bits, slices, differential) == expected
