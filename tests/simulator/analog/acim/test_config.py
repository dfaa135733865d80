"""Configurations: what they read and write, what they refuse, what follows from them."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulator.analog.acim.config import AcimConfig, AcimConfigError

FULL: dict[str, Any] = {
    "weight_bits": 4,
    "activation_bits": 6,
    "dac_bits": 2,
    "rows": 64,
    "adc_bits": 6,
    "noise_percent_fs": 0.5,
    "offset_lsb": 0.25,
    "gain_sigma": 0.01,
    "inl_lsb": 1,
    "hybrid_level": 2,
    "voting": 3,
    "voting_level": 4,
    "voting_rule": "median",
}
# what one field alone shows, so that the schema refuses it as well
BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"weight_bits": 1}, "weight_bits = 1: must be a whole number from 2 to 16"),
    ({"weight_bits": 17}, "weight_bits = 17"),
    ({"activation_bits": 0}, "activation_bits = 0: must be a whole number from 1 to 16"),
    ({"dac_bits": 0}, "dac_bits = 0"),
    ({"rows": 0}, "rows = 0"),
    ({"rows": 25.5}, "rows = 25.5"),
    ({"adc_bits": 17}, "adc_bits = 17"),
    ({"noise_lsb": -0.1}, "noise_lsb = -0.1: must be a number from 0"),
    ({"offset_lsb": "large"}, "offset_lsb = 'large'"),
    ({"gain_sigma": True}, "gain_sigma = True"),
    ({"inl_lsb": -1}, "inl_lsb = -1"),
    ({"voting": 0}, "voting = 0"),
    ({"voting_rule": "mean"}, "voting_rule = 'mean': must be one of mode, median"),
    ({"hybrid_level": -1}, "hybrid_level = -1"),
    ({"bits": 8}, "unknown field 'bits' = 8"),
]
CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"noise_lsb": 0.1, "noise_percent_fs": 0.1}, "noise_percent_fs = 0.1: noise_lsb = 0.1 says the same, give one"),
    ({"noise_lsb": float("nan")}, "noise_lsb = nan"),
    ({"voting": 2}, "voting = 2: must be odd"),
    ({"voting": 3}, "voting_level = 0: no cycle votes, though voting = 3: 15 is all"),
    ({"rows": 4096, "dac_bits": 16}, "rows = 4096: with dac_bits = 16"),
]


@pytest.mark.parametrize(("table", "message"), BAD_FIELDS + CONTRADICTIONS)
def test_bad_configurations_are_refused_by_name_and_value(table: dict[str, Any], message: str) -> None:
    with pytest.raises(AcimConfigError) as error:
        AcimConfig.from_table(table, "array.toml")
    assert str(error.value).startswith("array.toml: ") and message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("table", [FULL, {}])
def test_tables_are_read_and_written(table: dict[str, Any], tmp_path: Path) -> None:
    config = AcimConfig.from_table(table, "here")
    written = json.loads(json.dumps(config.as_table()))
    assert AcimConfig.from_table(written, "here") == config
    jsonschema.validate(written, AcimConfig.json_schema())
    file = tmp_path / "array.toml"
    file.write_text("\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items()))
    assert AcimConfig.from_toml(file) == config


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(AcimConfigError, match="missing.toml: cannot be read as TOML"):
        AcimConfig.from_toml(tmp_path / "missing.toml")


def test_the_schema_refuses_what_one_field_shows_and_describes_every_field() -> None:
    schema = AcimConfig.json_schema()
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert [table for table, _ in BAD_FIELDS if validator.is_valid(table)] == []
    assert set(schema["properties"]) == set(AcimConfig().as_table())
    assert all(entry["description"] for entry in schema["properties"].values())


@pytest.mark.parametrize(("weight_bits", "activation_bits", "dac_bits"), [(8, 8, 1), (8, 8, 2), (4, 7, 2), (2, 16, 1)])
def test_levels_select_triangles_of_the_most_significant_cycles(
    weight_bits: int, activation_bits: int, dac_bits: int
) -> None:
    base = {"weight_bits": weight_bits, "activation_bits": activation_bits, "dac_bits": dac_bits}
    digits = AcimConfig(**base).digits
    assert digits == -(-activation_bits // dac_bits)
    cycles = list(product(range(weight_bits), range(digits)))
    for level in range(weight_bits + digits):
        hybrid = AcimConfig(**base, hybrid_level=level).cycles
        chosen = {cycle for cycle in cycles if hybrid.digital(*cycle)}
        if level <= min(weight_bits, digits):
            assert len(chosen) == level * (level + 1) // 2
        rest = [i + j for i, j in cycles if (i, j) not in chosen]
        assert all(i + j > max(rest, default=-1) for i, j in chosen)
        assert hybrid.conversions == len(cycles) - len(chosen)
        voting = AcimConfig(**base, voting=5 if level else 1, voting_level=level).cycles
        assert {cycle for cycle in cycles if voting.votes(*cycle) == 5} == chosen
        assert voting.conversions == len(cycles) + 4 * len(chosen)
    both = AcimConfig(**base, hybrid_level=1, voting=3, voting_level=2)
    assert both.cycles.conversions == len(cycles) - 1 + 2 * 2
    assert AcimConfig(**base, hybrid_level=31).lossless and len(chosen) == len(cycles)


def test_noise_is_in_steps_of_the_converter_or_in_percent_of_its_range() -> None:
    assert AcimConfig(noise_lsb=0.3).noise_sigma_lsb == 0.3
    assert AcimConfig(adc_bits=6, noise_percent_fs=0.5).noise_sigma_lsb == pytest.approx(0.005 * 63)


@pytest.mark.parametrize(
    ("fields", "lossless"),
    [
        ({}, True),
        ({"rows": 85}, True),
        ({"rows": 256}, False),
        ({"rows": 254}, False),
        ({"adc_bits": 7}, False),
        ({"adc_bits": 10, "rows": 31, "dac_bits": 2}, True),
        ({"noise_lsb": 0.01}, False),
        ({"inl_lsb": 0.01}, False),
        ({"gain_sigma": 0.01}, False),
        ({"offset_lsb": 0.01}, False),
        ({"noise_lsb": 0.5, "hybrid_level": 15}, True),
        ({"noise_lsb": 0.5, "hybrid_level": 14}, False),
    ],
)
def test_lossless_is_where_the_full_scale_divides_the_top_code(fields: dict[str, Any], lossless: bool) -> None:
    assert AcimConfig(**fields).lossless is lossless


def test_reading_a_configuration_imports_no_numerics() -> None:
    code = """
import sys
from simulator.analog.acim.config import AcimConfig
AcimConfig.from_table({"noise_lsb": 0.1}, "here"), AcimConfig.json_schema()
sys.exit(bool({"numpy", "torch", "numba"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
