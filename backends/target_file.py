"""Targets of every kind: how presets and files are found, extended, overridden and put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from backends.figures import Contents, Figure, Format, Provenance

_LONGEST_CHAIN = 8


@dataclass(frozen=True)
class Family:
    """One kind of target. ``kind``: its word in reports; ``noun``: what messages call it; ``folder``: of its presets;
    ``sections``: the dataclass of each section of a file, in order; ``format``: what is allowed in them, and the error
    that says otherwise."""

    kind: str
    noun: str
    folder: Path
    sections: Mapping[str, type]
    format: Format

    def names(self) -> list[str]:
        """The targets of this kind that come with the tool, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.toml"))

    def path_of(self, name_or_path: str | Path) -> Path:
        """Of a preset by its name, or of a .toml file. Raises the format's error for any other name."""
        presets = self.names()
        if str(name_or_path) in presets:
            return self.folder / f"{name_or_path}.toml"
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise self.format.error(
                f"unknown {self.noun} '{name_or_path}': name a .toml file or one of {', '.join(presets)}"
            )
        return path

    def document(self, path: Path, depth: int = _LONGEST_CHAIN) -> dict[str, Any]:
        """The file at ``path`` laid over the preset that it extends."""
        document = self.format.read(path)
        if "extends" not in document:
            return document
        base = document.pop("extends")
        if base not in self.names() or depth == 0:
            raise self.format.error(
                f"{path}: extends must be one of {', '.join(self.names())} (not itself), not {base!r:.40}"
            )
        merged = self.document(self.folder / f"{base}.toml", depth - 1)
        for key, content in document.items():
            below = merged.get(key)
            merged[key] = {**below, **content} if isinstance(below, dict) and isinstance(content, dict) else content
        return merged


@dataclass(frozen=True, kw_only=True)
class FileTarget:
    """A complete, checked target: a field for every section of its ``family``. ``provenance`` maps "section.key" to
    where that figure comes from."""

    family: ClassVar[Family]

    name: str
    description: str
    provenance: Mapping[str, Provenance]

    def contradiction(self) -> str:
        """What figures that are right alone have wrong together, in words; nothing where they agree."""
        return ""

    def figures(self) -> list[Figure]:
        """Every figure in the order of the file format."""
        return self.family.format.figures(self._contents())

    def as_table(self) -> dict[str, Any]:
        """A JSON-able snapshot: {name, description, section: {key: value}, sources: {section: {key: {...}}}}."""
        return self.family.format.as_table(self._contents())

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "target table") -> Self:
        """The inverse of ``as_table``. Raises the family's error, whose message begins with ``where``."""
        return cls._assembled(cls.family.format.from_table(table, where), where)

    @classmethod
    def load(cls, name_or_path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """A preset by name or a .toml file by path, with ``overrides`` ("KEY=VALUE" or "section.KEY=VALUE") applied.

        A file may begin with ``extends = "PRESET"`` and then needs only what differs. Raises the family's error for an
        unknown preset, an unreadable or unusable file, or an unusable override.
        """
        path = cls.family.path_of(name_or_path)
        contents = cls.family.format.from_document(cls.family.document(path), str(path))
        target = cls._assembled(contents, str(path))
        changes = list(overrides)
        if not changes:
            return target
        return cls.from_table(cls.family.format.override(contents, changes), f"--set {' '.join(changes)}")

    def _contents(self) -> Contents:
        own = vars(self)
        values = {section: vars(own[section]) for section in self.family.sections}
        return Contents(self.name, self.description, values, self.provenance)

    @classmethod
    def _assembled(cls, contents: Contents, where: str) -> Self:
        sections: dict[str, Any] = {
            section: kind(**contents.values[section]) for section, kind in cls.family.sections.items()
        }
        target = cls(name=contents.name, description=contents.description, provenance=contents.provenance, **sections)
        problem = target.contradiction()
        if problem:
            raise cls.family.format.error(f"{where}: {problem}")
        return target
