"""What targets of all kinds have in common: presets, snapshots, files that extend them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backends.crossbar.target import CrossbarTarget
from backends.sram_acim.target import AcimTarget
from backends.target import Target
from backends.target_file import FileTarget

KINDS: list[type[FileTarget]] = [Target, CrossbarTarget, AcimTarget]
PRESETS = [(kind, name) for kind in KINDS for name in kind.family.names()]


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_unique_so_that_overrides_need_no_section(kind: type[FileTarget]) -> None:
    keys = [key for entries in kind.family.format.entries.values() for key in entries]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("kind", "name"), PRESETS)
def test_the_table_is_a_complete_json_snapshot(kind: type[FileTarget], name: str) -> None:
    target = kind.load(name)
    assert target.name == name
    table = json.loads(json.dumps(target.as_table()))
    assert kind.from_table(table) == target
    assert list(table) == ["name", "description", *kind.family.sections, "sources"]
    assert len(target.figures()) == sum(map(len, kind.family.format.entries.values()))
    assert all(figure.provenance.source for figure in target.figures())


@pytest.mark.parametrize(("kind", "name"), PRESETS)
def test_files_may_extend_a_preset(kind: type[FileTarget], name: str, tmp_path: Path) -> None:
    figure = kind.load(name).figures()[0]
    section, key = figure.key.split(".")
    path = tmp_path / "mine.toml"
    path.write_text(
        f'name = "mine"\ndescription = "x"\nextends = "{name}"\n[{section}.{key}]\nvalue = {figure.value}\n'
        'source = "ours"\nyear = 2026\nassumed = true\n',
        encoding="utf-8",
    )
    target = kind.load(path)
    assert (target.name, target.provenance[figure.key].source) == ("mine", "ours")
    assert [item.value for item in target.figures()] == [item.value for item in kind.load(name).figures()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_preset_that_extends_itself_is_refused(
    kind: type[FileTarget], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "family", replace(kind.family, folder=tmp_path))
    (tmp_path / "round.toml").write_text('name = "round"\ndescription = "x"\nextends = "round"\n', encoding="utf-8")
    with pytest.raises(kind.family.format.error, match=r"round\.toml: extends must be one of round \(not itself\)"):
        kind.load("round")
