"""docs/targets.md: every figure of every preset with its unit and its source.

python -m apc.report.targets_page docs/targets.md
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from apc.files import atomic_write
from apc.report.figures import figure_cells, figure_rows
from apc.report.markdown import table
from apc.target_files import TARGETS
from backends.target_file import FileTarget

HEAD = """\
# Targets

Written by `python -m apc.report.targets_page docs/targets.md` from the presets; a test compares it.

A target is a table of hardware figures, each with its unit, its source, the year of that source, and whether a step to
the value is *assumed*, that is, not published. `apc targets` lists the presets, `apc targets show NAME` prints one.
`--set KEY=VALUE` changes a figure for one command ([how](how-to/change-a-figure.md)), a `.toml` file that extends a
preset changes them for good ([how](how-to/write-a-target.md)). A preset below that extends another one shows only what
it changes; all its other figures are those of the preset it extends.

Values are in the unit that the key ends in; six significant digits are shown.
"""
TITLES = {
    "rtm-ap": "Associative processors of racetrack memory",
    "crossbar": "Analog crossbars",
    "sram-acim": "SRAM arrays",
}


def targets_page() -> str:
    """The page, with a newline at its end."""
    parts = [HEAD, "## Presets", table(("preset", "figures", "assumed", "what it is"), list(_presets()))]
    for kind in TARGETS:
        parts.append(f"## {TITLES[kind.family.kind]}")
        for name in kind.family.names():
            parts += _section(kind, name)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _presets() -> Iterator[tuple[str, ...]]:
    for kind in TARGETS:
        for name in kind.family.names():
            target = kind.load(name)
            assumed = sum(figure.provenance.assumed for figure in target.figures())
            yield f"[`{name}`](#{name})", str(len(target.figures())), str(assumed), target.description


def _section(kind: type[FileTarget], name: str) -> Iterator[str]:
    """What a preset is, and its figures, or those in which it differs from the preset that it extends."""
    target, base = kind.load(name), _base(kind, name)
    yield f"### {name}"
    yield f"{target.description[:1].upper()}{target.description[1:]}."
    inherited = kind.load(base).figures() if base else []
    shown = [figure for figure in target.figures() if figure not in inherited]
    if base:
        yield f"Extends [`{base}`](#{base}); these {len(shown)} of {len(target.figures())} figures are its own."
    rows = [(f"`{row['key']}`", *map(_cell, figure_cells(row))) for row in figure_rows(shown)]
    yield table(("figure", "value", "unit", "assumed", "year", "source"), rows)


def _base(kind: type[FileTarget], name: str) -> str | None:
    document = tomllib.loads(kind.family.path_of(name).read_text(encoding="utf-8"))
    base: str | None = document.get("extends")
    return base


def _cell(text: str) -> str:
    """On one line, without what Markdown would take for its own."""
    plain = " ".join(text.split())
    for mark in "\\|*_<[]":
        plain = plain.replace(mark, "\\" + mark)
    return plain


if __name__ == "__main__":
    with atomic_write(Path(sys.argv[1])) as temporary:
        temporary.write_text(targets_page(), encoding="utf-8")
