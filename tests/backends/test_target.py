import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.target import PRESET_FOLDER, Target, TargetError, load_target, preset_names
from tests.close import close

PRESETS = ["rtm-ap-projected", "rtm-ap-published"]
SECTIONS = ["array", "wire", "features", "timing", "energy", "device"]


def published() -> dict[str, Any]:
    return tomllib.loads((PRESET_FOLDER / "rtm-ap-published.toml").read_text(encoding="utf-8"))


def as_toml(document: dict[str, Any]) -> str:
    """The text of a target document; TOML and JSON agree on numbers, strings and truth values."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in document.items() if not isinstance(value, dict)]
    for section, entries in document.items():
        if isinstance(entries, dict):
            lines.append(f"[{section}]")
            for key, figure in entries.items():
                if isinstance(figure, dict):
                    inner = ", ".join(f"{name} = {literal(value)}" for name, value in figure.items())
                    lines.append(f"{key} = {{{inner}}}")
                else:
                    lines.append(f"{key} = {literal(figure)}")
    return "\n".join(lines) + "\n"


def literal(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value)


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "mine.toml"
    path.write_text(as_toml(document), encoding="utf-8")
    return path


def test_the_presets_are_found() -> None:
    assert preset_names() == PRESETS
    assert all(load_target(name).name == name for name in PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_is_a_complete_json_snapshot(name: str) -> None:
    target = load_target(name)
    table = json.loads(json.dumps(target.as_table()))
    assert Target.from_table(table) == target
    assert list(table) == ["name", "description", *SECTIONS, "sources"]
    assert table["timing"]["search_cycles"] == target.timing.search_cycles == 1
    assert {section: set(table["sources"][section]) for section in SECTIONS} == {
        section: set(table[section]) for section in SECTIONS
    }
    assert len(target.figures()) == sum(len(table[section]) for section in SECTIONS)


def test_a_file_equal_to_a_preset_loads_as_the_preset(tmp_path: Path) -> None:
    assert load_target(write(tmp_path, published())) == load_target("rtm-ap-published")


def test_published_figures_are_those_of_their_publications() -> None:
    target = load_target("rtm-ap-published")
    assert target.energy.write_bit_J == 0.69e-12  # Govindaraj and Ghosh, JETC 2017
    assert target.energy.search_row_J == close(3 * 4.7e-15)
    assert target.energy.shift_step_J == close(19.5e-12 / 32, rel=2e-3)  # RTSim, a word of 32 tracks
    assert target.timing.write_cycles * target.timing.cycle_s >= 4e-9
    assert target.timing.shift_cycles * target.timing.cycle_s >= 2.14192e-9
    assert target.array.arrays * target.device.area_array_m2 == close(1024 * 45560e-12 * (22 / 45) ** 2, rel=1e-3)
    assert target.device.endurance_writes == 1e16
    not_assumed = {figure.key for figure in target.figures() if not figure.provenance.assumed}
    assert {"energy.write_bit_J", "energy.shift_step_J", "device.endurance_writes"} <= not_assumed


def test_projected_energies_follow_from_the_stated_fit() -> None:
    published_energy, projected = load_target("rtm-ap-published").energy, load_target("rtm-ap-projected").energy

    def bit_of_an_addition(energy: Any) -> float:
        return 4 * energy.search_row_J + 0.75 * energy.write_bit_J + 3 * energy.shift_step_J

    budget = 204e-6 / 7.5 / (277e6 * 8)
    assert bit_of_an_addition(projected) == close(budget, rel=1e-3)
    factor = budget / bit_of_an_addition(published_energy)
    for key in ("search_row_J", "write_bit_J", "shift_step_J"):
        assert getattr(projected, key) == close(factor * getattr(published_energy, key), rel=1e-3)


def test_wire_energies_grow_with_distance() -> None:
    energy = load_target("rtm-ap-published").energy
    wire = 0.5 * 0.2e-15 * 1e6 * 0.85**2  # J/m
    side = math.sqrt(1.089e-8)
    distances = [energy.move_bit_array_J, energy.move_bit_tile_J, energy.move_bit_bank_J, energy.move_bit_global_J]
    assert distances == [close(9e-15 + wire * side * n, rel=0.01) for n in (1, 2, 8, 32)]


def test_overrides_replace_figures_and_say_so() -> None:
    target = load_target("rtm-ap-published", ["array.rows=128", "write_bit_J = 1e-15", "search_or=false"])
    assert (target.array.rows, target.energy.write_bit_J, target.features.search_or) == (128, 1e-15, False)
    origin = target.provenance["energy.write_bit_J"]
    assert origin.source == "set by the user" and origin.assumed
    assert target.provenance["array.columns"] == load_target("rtm-ap-published").provenance["array.columns"]
    assert Target.from_table(target.as_table()) == target


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("rows", "write KEY=VALUE"),
        ("nonsense=1", "write KEY=VALUE"),
        ("timing.rows=64", "write KEY=VALUE"),
        ("array.=64", "write KEY=VALUE"),
        ("rows=", "is not a number"),
        ("rows=many", "is not a number"),
        ("rows=1\nname=2", "array.rows must be from 64"),
        ("rows=256.0", "array.rows must be a whole number, not 256.0"),
        ("rows=true", "array.rows must be a number, not True"),
        ("rows=100", "array.rows is 100, not a multiple of array.row_gate_rows (64)"),
        ("row_gate_rows=96", "array.row_gate_rows is 96, not a multiple of 64"),
        ("columns=15", "array.columns must be from 16"),
        ("domains=256", "array.domains must be from 1 to 255, not 256"),
        ("search_or=1", "features.search_or must be true or false, not 1"),
        ("cycle_s=0", "timing.cycle_s must be above 0"),
        ("write_bit_J=-1e-15", "energy.write_bit_J must be from 0"),
        ("write_bit_J=nan", "energy.write_bit_J must be finite, not nan"),
        ("write_bit_J=-inf", "energy.write_bit_J must be finite, not -inf"),
        ("write_bit_J='1'", "energy.write_bit_J must be a number"),
        ("rows=0x" + "f" * 9999, "array.rows must be from 64 to 1048576, not a huge number"),
        ("rows=" + "9" * 9999, "is not a number"),
    ],
)
def test_bad_overrides_are_refused_in_one_line(override: str, fragment: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_target("rtm-ap-published", [override])
    assert fragment in str(caught.value)
    assert "--set" in str(caught.value)


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = published()
    change(document)
    return document


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda d: d.pop("name"), "name must be a non-empty string, not nothing"),
        (lambda d: d.update(colour="red"), "unknown entry colour"),
        (lambda d: d.pop("timing"), "timing is missing"),
        (lambda d: d.update(timing=3), "unknown"),
        (lambda d: d["energy"].pop("write_bit_J"), "energy.write_bit_J is missing"),
        (lambda d: d["energy"].update(write_bit_pJ=d["energy"]["write_bit_J"]), "unknown entry energy.write_bit_pJ"),
        (lambda d: d["energy"].update(write_bit_J=1e-15), "energy.write_bit_J must be a table, not 1e-15"),
        (lambda d: d["energy"]["write_bit_J"].pop("value"), "energy.write_bit_J.value is missing"),
        (lambda d: d["energy"]["write_bit_J"].pop("source"), "energy.write_bit_J.source must be a non-empty string"),
        (lambda d: d["energy"]["write_bit_J"].update(source=" "), "energy.write_bit_J.source must be a non-empty"),
        (lambda d: d["energy"]["write_bit_J"].update(year="2017"), "energy.write_bit_J.year must be a year"),
        (lambda d: d["energy"]["write_bit_J"].pop("assumed"), "energy.write_bit_J.assumed must be true or false"),
        (lambda d: d["energy"]["write_bit_J"].update(unit="J"), "unknown entry energy.write_bit_J.unit"),
        (lambda d: d["energy"]["write_bit_J"].update(value=-1.0), "energy.write_bit_J must be from 0 to 1, not -1.0"),
        (lambda d: d["energy"]["write_bit_J"].update(value=math.inf), "energy.write_bit_J must be finite"),
        (lambda d: d["array"]["rows"].update(value="256"), "array.rows must be a number, not '256'"),
        (lambda d: d["array"]["rows"].update(value=320.5), "array.rows must be a whole number"),
        (lambda d: d["array"]["rows"].update(value=96), "array.rows is 96, not a multiple"),
    ],
)
def test_bad_files_are_refused_in_one_line(
    change: Callable[[dict[str, Any]], object], fragment: str, tmp_path: Path
) -> None:
    path = write(tmp_path, edited(change))
    with pytest.raises(TargetError) as caught:
        load_target(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    if fragment != "unknown":
        assert fragment in message


@pytest.mark.parametrize("content", [b"not = = toml", b"\xff\xfe", b"a = " + b"[" * 100_000, b"x = " + b"9" * 9999])
def test_a_file_that_is_not_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(TargetError, match="not a TOML file") as caught:
        load_target(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_unknown_names() -> None:
    with pytest.raises(TargetError, match=r"no\.toml: cannot read the target file: No such file"):
        load_target("no.toml")
    with pytest.raises(TargetError, match="unknown target 'rtm'.*rtm-ap-projected, rtm-ap-published"):
        load_target("rtm")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("sources"),
        lambda t: t["sources"].pop("energy"),
        lambda t: t["sources"]["energy"].pop("write_bit_J"),
        lambda t: t["energy"].pop("write_bit_J"),
        lambda t: t["energy"].update(write_bit_J="1"),
        lambda t: t["energy"].update(more=1),
        lambda t: t.update(energy=[1, 2]),
        lambda t: t.update(sources=None),
        lambda t: t["array"].update(domains=0),
        lambda t: t["sources"]["array"].update(domains="here"),
    ],
)
def test_bad_tables_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    table = load_target("rtm-ap-published").as_table()
    change(table)
    with pytest.raises(TargetError, match=r"^in the artifact: "):
        Target.from_table(table, "in the artifact")
