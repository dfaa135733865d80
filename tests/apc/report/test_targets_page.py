"""docs/targets.md is current, and has every figure of every preset."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from apc.report.targets_page import targets_page

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
PRESETS = [*(ROOT / "backends" / "targets").glob("*.toml"), *(ROOT / "backends").glob("*/presets/*.toml")]


def test_the_page_is_current() -> None:
    assert targets_page() == PAGE, "python -m apc.report.targets_page docs/targets.md"


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: str(path.stem))
def test_every_figure_of_a_file_is_shown_with_its_source(path: Path) -> None:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    section = PAGE.split(f"\n### {path.stem}\n")[1].split("\n##")[0]
    lines = {line.split("`")[1]: line for line in section.splitlines() if line.startswith("| `")}
    base = document.get("extends")
    assert (f"Extends [`{base}`]" in section) == (base is not None)
    for name, entries in document.items():
        if isinstance(entries, dict):
            for key, figure in entries.items():
                cells = [cell.strip() for cell in lines.pop(f"{name}.{key}").replace("\\", "").split(" | ")]
                assert cells[3] == ("assumed" if figure["assumed"] else "") and cells[4] == str(figure["year"])
                assert " ".join(figure["source"].split()).replace("|", "") == cells[5].removesuffix(" |")
                if isinstance(figure["value"], float):
                    assert float(cells[1]) == pytest.approx(figure["value"], rel=1e-5)
    assert not lines, "figures that the file does not have"
