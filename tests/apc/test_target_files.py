"""Targets of every kind by name or file."""

from __future__ import annotations

from pathlib import Path

import pytest

from apc.target_files import ARRAYS, TARGETS, load_one_of, names_of
from backends.crossbar.target import PRESET_FOLDER as CROSSBARS
from backends.crossbar.target import CrossbarTarget
from backends.sram_acim.target import PRESET_FOLDER as SRAM
from backends.sram_acim.target import AcimTarget
from backends.target import PRESET_FOLDER as PROCESSORS
from backends.target import Target
from backends.target_file import FileTarget
from ir.errors import UserError

KINDS: list[tuple[type[FileTarget], str, Path]] = [
    (Target, "rtm-ap-published", PROCESSORS),
    (CrossbarTarget, "crossbar-neurosim", CROSSBARS),
    (AcimTarget, "acim-28nm", SRAM),
]


@pytest.mark.parametrize(("kind", "name", "folder"), KINDS)
def test_presets_and_files_of_every_kind(kind: type[FileTarget], name: str, folder: Path, tmp_path: Path) -> None:
    assert type(load_one_of(TARGETS, name)) is kind and name in names_of(TARGETS)
    whole = tmp_path / "whole.toml"
    whole.write_text((folder / f"{name}.toml").read_text(encoding="utf-8"), encoding="utf-8")
    assert type(load_one_of(TARGETS, str(whole))) is kind
    short = tmp_path / "short.toml"
    short.write_text(f'name = "mine"\ndescription = "x"\nextends = "{name}"\n', encoding="utf-8")
    found = load_one_of(TARGETS, str(short))
    assert type(found) is kind and found.name == "mine"


def test_overrides_are_those_of_the_kind() -> None:
    assert load_one_of(ARRAYS, "acim-22nm", ["dac_bits=2"]).name == "acim-22nm with dac_bits=2"
    with pytest.raises(UserError, match="--set cell_bits=2: write KEY=VALUE"):
        load_one_of(ARRAYS, "acim-22nm", ["cell_bits=2"])


def test_what_is_no_target() -> None:
    with pytest.raises(UserError, match="unknown target 'rtm-ap-published': .* one of crossbar-isaac, .*, acim-22nm"):
        load_one_of(ARRAYS, "rtm-ap-published")
    with pytest.raises(UserError, match="missing.toml: cannot read the target file"):
        load_one_of(TARGETS, "missing.toml")


def test_a_file_extends_a_preset_of_any_of_the_kinds(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\nextends = "acim-22"\n', encoding="utf-8")
    with pytest.raises(UserError, match="mine.toml: extends must be one of .*crossbar-isaac, .*acim-22nm.* 'acim-22'"):
        load_one_of(ARRAYS, str(mine))
