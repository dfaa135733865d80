"""Crossbar targets: presets and files, read strictly. A preset may extend another and state only what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.crossbar import sections
from backends.crossbar.sections import ENTRIES, SECTIONS
from backends.figures import Contents, Figure, Format, Provenance
from ir.errors import UserError

PRESET_FOLDER = Path(__file__).parent / "presets"
_LONGEST_CHAIN = 8


class CrossbarTargetError(UserError):
    """A crossbar target file, table or override that cannot be used."""


_FORMAT = Format(ENTRIES, CrossbarTargetError)


@dataclass(frozen=True)
class CrossbarTarget:
    """A complete, checked crossbar target. ``provenance`` maps "section.key" to where that figure comes from."""

    name: str
    description: str
    workload: sections.Workload
    array: sections.Array
    adc: sections.Adc
    sar: sections.Sar
    flash: sections.Flash
    survey: sections.Survey
    datasheet: sections.Datasheet
    periphery: sections.Periphery
    hierarchy: sections.Hierarchy
    interconnect: sections.Interconnect
    buffer: sections.Buffer
    timing: sections.Timing
    leakage: sections.Leakage
    digital: sections.Digital
    programming: sections.Programming
    provenance: Mapping[str, Provenance]

    def _contents(self) -> Contents:
        own = vars(self)
        return Contents(
            self.name, self.description, {section: vars(own[section]) for section in SECTIONS}, self.provenance
        )

    def figures(self) -> list[Figure]:
        """Every figure in the order of the file format."""
        return _FORMAT.figures(self._contents())

    def as_table(self) -> dict[str, Any]:
        """A JSON-able snapshot: {name, description, section: {key: value}, sources: {section: {key: {...}}}}."""
        return _FORMAT.as_table(self._contents())

    @staticmethod
    def from_table(table: Mapping[str, Any], where: str = "target table") -> CrossbarTarget:
        """The inverse of ``as_table``. Raises CrossbarTargetError, whose message begins with ``where``."""
        return _assemble(_FORMAT.from_table(table, where), where)


def crossbar_names() -> list[str]:
    """The crossbar targets that come with the tool, sorted."""
    return sorted(path.stem for path in PRESET_FOLDER.glob("*.toml"))


def load_crossbar(name_or_path: str | Path, overrides: Iterable[str] = ()) -> CrossbarTarget:
    """A preset by name or a .toml file by path, with ``overrides`` ("KEY=VALUE" or "section.KEY=VALUE") applied.

    A file may begin with ``extends = "PRESET"`` and then needs only what differs. Raises CrossbarTargetError for an
    unknown preset, an unreadable or unusable file, or an unusable override.
    """
    presets = crossbar_names()
    if str(name_or_path) in presets:
        path = PRESET_FOLDER / f"{name_or_path}.toml"
    else:
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise CrossbarTargetError(
                f"unknown crossbar target '{name_or_path}': name a .toml file or one of {', '.join(presets)}"
            )
    contents = _FORMAT.from_document(_document(path, _LONGEST_CHAIN), str(path))
    target = _assemble(contents, str(path))
    changes = list(overrides)
    if not changes:
        return target
    return CrossbarTarget.from_table(_FORMAT.override(contents, changes), f"--set {' '.join(changes)}")


def _document(path: Path, depth: int) -> dict[str, Any]:
    """The file at ``path`` laid over the preset that it extends."""
    document = _FORMAT.read(path)
    if "extends" not in document:
        return document
    base = document.pop("extends")
    if base not in crossbar_names() or depth == 0:
        raise CrossbarTargetError(
            f"{path}: extends must be one of {', '.join(crossbar_names())} (not itself), not {base!r:.40}"
        )
    merged = _document(PRESET_FOLDER / f"{base}.toml", depth - 1)
    for key, content in document.items():
        below = merged.get(key)
        merged[key] = {**below, **content} if isinstance(below, dict) and isinstance(content, dict) else content
    return merged


def _assemble(contents: Contents, where: str) -> CrossbarTarget:
    parts = {section: kind(**contents.values[section]) for section, kind in SECTIONS.items()}
    target = CrossbarTarget(contents.name, contents.description, provenance=contents.provenance, **parts)
    array, adc = target.array, target.adc
    if adc.columns_per_adc > array.columns:
        raise CrossbarTargetError(
            f"{where}: adc.columns_per_adc is {adc.columns_per_adc}, more than array.columns ({array.columns})"
        )
    if array.rows_parallel > array.rows:
        raise CrossbarTargetError(
            f"{where}: array.rows_parallel is {array.rows_parallel}, more than array.rows ({array.rows})"
        )
    if array.cell_kind == "sram" and array.cell_bits != 1:
        raise CrossbarTargetError(f"{where}: array.cell_bits is {array.cell_bits}, but an SRAM cell holds 1 bit")
    return target
