from __future__ import annotations

from pathlib import Path

import pytest

from apc.comparison.sides import choose_sides, first_target
from backends.crossbar.target import PRESET_FOLDER as CROSSBARS
from backends.crossbar.target import crossbar_names
from backends.sram_acim.target import acim_names
from backends.target import PRESET_FOLDER, Target, load_target, preset_names
from ir.errors import UserError

OWN = load_target("rtm-ap-published")


def names(sides: list[tuple[str, object]]) -> list[str]:
    return [name for name, _ in sides]


def test_all_presets_where_none_is_named() -> None:
    sides = choose_sides(OWN, [], [], [])
    assert names(list(sides.aps)) == ["rtm-ap-published", *(n for n in preset_names() if n != "rtm-ap-published")]
    assert names(list(sides.arrays)) == [*crossbar_names(), *acim_names()]
    assert sides.aps[0][1] is OWN and not sides.notes


def test_the_first_target_is_the_reference() -> None:
    sides = choose_sides(OWN, ["rtm-ap-projected", "rtm-ap-published"], ["crossbar-neurosim"], [])
    assert [target.name for _, target in sides.aps] == ["rtm-ap-projected", "rtm-ap-published"]
    assert names(list(sides.arrays)) == ["crossbar-neurosim"]


def test_overrides_reach_their_backend_and_its_name() -> None:
    texts = ["crossbar-neurosim.adc_bits=6", "rtm-ap-published.write_bit_J=1e-15", "rtm-ap-projected.shift_step_J=0"]
    sides = choose_sides(OWN, [], [], texts)
    aps, crossbars = dict(sides.aps), dict(sides.arrays)
    assert aps["rtm-ap-published"].name == "rtm-ap-published with write_bit_J=1e-15"
    assert aps["rtm-ap-published"].energy.write_bit_J == 1e-15
    assert aps["rtm-ap-projected"].energy.shift_step_J == 0
    assert aps["rtm-ap-projected"].energy.write_bit_J == load_target("rtm-ap-projected").energy.write_bit_J
    assert crossbars["crossbar-neurosim"].adc.adc_bits == 6
    assert sides.overrides["crossbar-neurosim"] == ["adc_bits=6"]


def test_a_program_of_an_overridden_preset_keeps_its_target() -> None:
    own = load_target("rtm-ap-published", ["write_bit_J=1e-15"])
    sides = choose_sides(own, [], [], [])
    assert [target.name for _, target in sides.aps] == [own.name, "rtm-ap-projected"]
    with pytest.raises(UserError, match="the program holds its target, .* which is no preset as it comes"):
        choose_sides(own, [], [], ["rtm-ap-published.write_bit_J=2e-15"])
    both = choose_sides(own, ["rtm-ap-published"], [], ["rtm-ap-published.write_bit_J=2e-15"])
    assert [target.energy.write_bit_J for _, target in both.aps] == [2e-15]


def test_presets_with_other_arrays_are_left_out_and_said_so() -> None:
    own = load_target("rtm-ap-published", ["columns=128"])
    sides = choose_sides(own, [], [], [])
    assert [target.name for _, target in sides.aps] == [own.name]
    assert sides.notes == ["rtm-ap-projected is left out: its arrays are not those the program was compiled for"]


def test_files_go_by_their_stem_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((PRESET_FOLDER / "rtm-ap-published.toml").read_text().replace("rtm-ap-published", "my own"))
    sides = choose_sides(OWN, [str(file)], [], ["mine.write_bit_J=0"])
    assert [(name, target.name) for name, target in sides.aps] == [(str(file), "my own with write_bit_J=0")]


def test_two_targets_do_not_share_a_name(tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text((CROSSBARS / "crossbar-neurosim.toml").read_text())
    message = r"copy.toml: its target is named crossbar-neurosim, as that of crossbar-neurosim is: change the entry"
    with pytest.raises(UserError, match=message):
        choose_sides(OWN, [], ["crossbar-neurosim", str(copy)], [])
    sides = choose_sides(OWN, [], ["crossbar-neurosim", str(copy)], ["copy.adc_bits=5"])
    assert [target.name for _, target in sides.arrays] == ["crossbar-neurosim", "crossbar-neurosim with adc_bits=5"]


def test_a_model_is_compiled_for_the_first_target() -> None:
    assert first_target([], [], ["rtm-ap-published.rows=128"]) == ("rtm-ap-published", ["rows=128"])
    assert first_target(["rtm-ap-projected"], [], []) == ("rtm-ap-projected", [])
    own = load_target("rtm-ap-published", ["rows=128"])
    sides = choose_sides(own, [], [], ["rtm-ap-published.rows=128"], compiled_as="rtm-ap-published")
    assert sides.aps[0] == ("rtm-ap-published", own)
    assert sides.overrides["rtm-ap-published"] == ["rows=128"]


@pytest.mark.parametrize(
    ("targets", "against", "overrides", "message"),
    [
        (["rtm"], [], [], "unknown target 'rtm'"),
        ([], ["neurosim"], [], "unknown target 'neurosim': name a .toml file or one of crossbar-isaac, .*, acim-22nm"),
        (
            [],
            ["rtm-ap-published"],
            [],
            "--against rtm-ap-published: it is an associative processor: give it with --targ",
        ),
        (["acim-22nm"], [], [], "--target acim-22nm: it is an array: give it with --against"),
        (["rtm-ap-published"] * 2, [], [], "--target rtm-ap-published: is named twice"),
        ([], ["crossbar-neurosim"] * 2, [], "--against crossbar-neurosim: is named twice"),
        ([], [], ["adc_bits=6"], "--set adc_bits=6: write NAME.KEY=VALUE"),
        ([], [], ["crossbar-neurosim.adc_bitz=6"], "^crossbar-neurosim, --set adc_bitz=6: write KEY=VALUE"),
        ([], [], ["rtm-ap-published.rows=5"], "^rtm-ap-published, --set rows=5: array.rows must be from 64"),
        ([], [], ["crossbar-neurosim.adc_bits=none"], "--set adc_bits=none: 'none' is not a number"),
        (["rtm-ap-projected"], [], ["rtm-ap-published.rows=64"], "where NAME is a backend of this comparison"),
    ],
)
def test_mistakes(targets: list[str], against: list[str], overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_sides(OWN, targets, against, overrides)


def test_targets_are_typed() -> None:
    assert isinstance(choose_sides(OWN, [], [], []).aps[1][1], Target)
