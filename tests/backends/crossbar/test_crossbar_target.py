import subprocess
import sys
from pathlib import Path

import pytest

from backends.crossbar.target import CrossbarTargetError, crossbar_names, load_crossbar

PRESETS = ["crossbar-isaac", "crossbar-neurosim", "crossbar-neurosim-v13", "crossbar-rram-22nm", "crossbar-sram-22nm"]


def test_the_presets_are_found() -> None:
    assert crossbar_names() == PRESETS
    assert all(load_crossbar(name).name == name for name in PRESETS)


def test_a_preset_that_extends_states_only_what_differs() -> None:
    base, other = load_crossbar("crossbar-neurosim"), load_crossbar("crossbar-neurosim-v13")
    assert (base.adc.adc_kind, other.adc.adc_kind) == ("sar", "flash")
    assert other.array.cell_width_F == base.array.cell_width_F
    assert other.provenance["array.cell_width_F"] == base.provenance["array.cell_width_F"]


def test_the_settings_have_the_names_of_the_documentation() -> None:
    target = load_crossbar(
        "crossbar-neurosim",
        [
            *("weight_bits=2", "activation_bits=4", "cell_bits=1", "adc_bits=8", "adc_kind=flash", "rows=64"),
            *("columns=256", "columns_per_adc=16", "input_bit_density=0.25", "mean_cell_conductance_S=4e-6"),
            *("input_toggle=0.18", "interconnect=htree", "pipeline=true", "technology_nm=32"),
        ],
    )
    assert (target.workload.weight_bits, target.array.cell_bits, target.adc.adc_bits) == (2, 1, 8)
    assert (target.interconnect.interconnect, target.hierarchy.pipeline) == ("htree", True)
    assert target.array.technology_nm == 32.0
    assert target.provenance["adc.adc_bits"].source == "set by the user"
    assert target.name.startswith("crossbar-neurosim with weight_bits=2, ")


def test_words_may_be_quoted() -> None:
    assert load_crossbar("crossbar-neurosim", ['adc.adc_kind = "survey"']).adc.adc_kind == "survey"


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("adc_kind=ramp", "'ramp' is not one of sar, flash, survey, datasheet"),
        ("adc_kind='ramp'", "adc.adc_kind must be one of sar, flash, survey, datasheet, not ramp"),
        ("adc_kind=4", "adc.adc_kind must be one of sar, flash, survey, datasheet, not 4"),
        ("adc_bits=0", "adc.adc_bits must be from 1 to 16, not 0"),
        ("adc_bits=6.0", "adc.adc_bits must be a whole number"),
        ("pipeline=1", "hierarchy.pipeline must be true or false, not 1"),
        ("on_resistance_ohm=0", "array.on_resistance_ohm must be above 0"),
        ("input_bit_density=1.5", "workload.input_bit_density must be from -1 to 1, not 1.5"),
        ("columns=4", "adc.columns_per_adc is 8, more than array.columns (4)"),
        ("rows_parallel=256", "array.rows_parallel is 256, more than array.rows (128)"),
        ("cell_kind=sram", "array.cell_bits is 2, but an SRAM cell holds 1 bit"),
        ("nonsense=1", "write KEY=VALUE"),
        ("adc.rows=64", "write KEY=VALUE"),
        ("sar_power_W=-1e-6", "sar.sar_power_W must be from 0"),
        ("wordline_F=nan", "array.wordline_F must be finite"),
    ],
)
def test_bad_overrides_are_refused_in_one_line(override: str, fragment: str) -> None:
    with pytest.raises(CrossbarTargetError) as caught:
        load_crossbar("crossbar-neurosim", [override])
    message = str(caught.value)
    assert fragment in message and "--set" in message and "\n" not in message


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ('extends = "crossbar-nothing"\n', "extends must be one of crossbar-isaac"),
        ("extends = 3\n", "extends must be one of crossbar-isaac"),
        ('name = "x"\ndescription = "y"\n', "workload is missing"),
        (
            'name = "x"\ndescription = "y"\nextends = "crossbar-neurosim"\n[adc]\nadc_bits = 6\n',
            "adc.adc_bits must be a",
        ),
        ('name = "x"\ndescription = "y"\nextends = "crossbar-neurosim"\nadc = 6\n', "adc must be a table, not 6"),
        (
            'name = "x"\ndescription = "y"\nextends = "crossbar-neurosim"\n[adc.bits]\nvalue = 6\n',
            "unknown entry adc.bits",
        ),
        (
            'name = "x"\ndescription = "y"\nextends = "crossbar-neurosim"\n[adc.adc_bits]\nvalue = 6\nyear = 2026\n'
            "assumed = true\n",
            "adc.adc_bits.source must be a non-empty string",
        ),
        ("not = = toml", "not a TOML file"),
    ],
)
def test_bad_files_are_refused_in_one_line(text: str, fragment: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CrossbarTargetError) as caught:
        load_crossbar(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and fragment in message and "\n" not in message


def test_missing_files_and_unknown_names() -> None:
    with pytest.raises(CrossbarTargetError, match="unknown crossbar target 'neurosim'.*crossbar-isaac, "):
        load_crossbar("neurosim")
    with pytest.raises(CrossbarTargetError, match=r"no\.toml: cannot read the target file"):
        load_crossbar("no.toml")


def test_the_model_loads_nothing_heavy() -> None:
    script = "import sys, backends.crossbar.cost\nprint(sorted({'torch','scipy','numba','onnx'} & set(sys.modules)))"
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("[]\n", "")
