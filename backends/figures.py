"""Tables of hardware figures, each with its unit and its source: what the files of all targets have in common.

A target file is TOML: ``name``, ``description`` and sections of entries, each a table {value, source, year, assumed}.
The unit is part of the key. A ``Format`` lists the sections and entries of one kind of target, and reads files,
snapshots and overrides strictly: unknown, missing, negative or mistyped entries raise the error of the format, whose
one line names the file and the key.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ir.errors import UserError

Value = int | float | bool | str
_SET_SOURCE = "set by the user"


@dataclass(frozen=True)
class Provenance:
    """Where a figure comes from. ``assumed``: at least one step to the value is not published (``source`` says
    which and why). ``year``: of the publication, or of the derivation made for this project."""

    source: str
    year: int
    assumed: bool


@dataclass(frozen=True)
class Entry:
    """What is allowed for one key. ``unit`` is for people; bounds are inclusive unless ``positive``; a word (kind
    str) is one of ``words``."""

    kind: type
    unit: str
    low: float = 0
    high: float = math.inf
    positive: bool = False
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """One line of a target, as `apc targets show` prints it."""

    key: str
    value: Any
    unit: str
    provenance: Provenance


@dataclass(frozen=True)
class Contents:
    """A checked file or snapshot: ``values`` by section and key, ``provenance`` by "section.key"."""

    name: str
    description: str
    values: Mapping[str, Mapping[str, Value]]
    provenance: Mapping[str, Provenance]


@dataclass(frozen=True)
class Format:
    """The sections of one kind of target: key -> Entry for each. Keys are unique over all sections. ``error`` is
    raised for everything that does not fit."""

    entries: Mapping[str, Mapping[str, Entry]]
    error: type[UserError]

    def figures(self, contents: Contents) -> list[Figure]:
        """Every figure in the order of the file format."""
        return [
            Figure(name, contents.values[section][key], entry.unit, contents.provenance[name])
            for section, entries in self.entries.items()
            for key, entry in entries.items()
            for name in (f"{section}.{key}",)
        ]

    def as_table(self, contents: Contents) -> dict[str, Any]:
        """A JSON-able snapshot: {name, description, section: {key: value}, sources: {section: {key: {...}}}}."""
        table: dict[str, Any] = {"name": contents.name, "description": contents.description}
        sources: dict[str, dict[str, Any]] = {}
        for figure in self.figures(contents):
            section, key = figure.key.split(".")
            table.setdefault(section, {})[key] = figure.value
            origin = figure.provenance
            sources.setdefault(section, {})[key] = {
                "source": origin.source,
                "year": origin.year,
                "assumed": origin.assumed,
            }
        table["sources"] = sources
        return table

    def from_table(self, table: Mapping[str, Any], where: str) -> Contents:
        """The inverse of ``as_table``, checked."""
        name, description = self._header(table, {*self.entries, "sources"}, where)
        sources = self._table(table, "sources", where)
        self._refuse_unknown(sources, self.entries, where, "sources.")
        values: dict[str, dict[str, Value]] = {}
        provenance: dict[str, Provenance] = {}
        for section, entries in self.entries.items():
            numbers = self._table(table, section, where)
            origins = self._table(sources, section, where, "sources.")
            self._refuse_unknown(numbers, entries, where, f"{section}.")
            self._refuse_unknown(origins, entries, where, f"sources.{section}.")
            values[section] = {}
            for key, entry in entries.items():
                place = f"{section}.{key}"
                if key not in numbers:
                    raise self.error(f"{where}: {place} is missing")
                values[section][key] = self.checked(numbers[key], entry, place, where)
                origin = self._table(origins, key, where, f"sources.{section}.")
                provenance[place] = self._provenance(origin, f"sources.{place}", where)
        return Contents(name, description, values, provenance)

    def from_document(self, document: Mapping[str, Any], where: str) -> Contents:
        """The contents of a target file."""
        name, description = self._header(document, set(self.entries), where)
        values: dict[str, dict[str, Value]] = {}
        provenance: dict[str, Provenance] = {}
        for section, entries in self.entries.items():
            content = self._table(document, section, where)
            self._refuse_unknown(content, entries, where, f"{section}.")
            values[section] = {}
            for key, entry in entries.items():
                place = f"{section}.{key}"
                figure = self._table(content, key, where, f"{section}.")
                if "value" not in figure:
                    raise self.error(f"{where}: {place}.value is missing")
                values[section][key] = self.checked(figure["value"], entry, place, where)
                provenance[place] = self._provenance({k: v for k, v in figure.items() if k != "value"}, place, where)
        return Contents(name, description, values, provenance)

    def read(self, path: Path) -> dict[str, Any]:
        """The TOML document at ``path``."""
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise self.error(f"{path}: cannot read the target file: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number beyond Python's digit limit
            raise self.error(f"{path}: not a TOML file: {' '.join(str(error).split())}") from error

    def override(self, contents: Contents, overrides: list[str]) -> dict[str, Any]:
        """The snapshot of ``contents`` with ``overrides`` ("KEY=VALUE" or "section.KEY=VALUE"), and a name that says
        so. Words need no quotes."""
        section_of = {key: section for section, entries in self.entries.items() for key in entries}
        table = self.as_table(contents)
        for text in overrides:
            where = f"--set {text}"
            name, equals, value_text = text.partition("=")
            key = name.strip().rpartition(".")[2]
            section = section_of.get(key)
            if not equals or section is None or name.strip() not in (key, f"{section}.{key}"):
                raise self.error(f"{where}: write KEY=VALUE with a key that `apc targets show {contents.name}` lists")
            value = self._parsed(value_text.strip(), self.entries[section][key], where)
            table[section][key] = self.checked(value, self.entries[section][key], f"{section}.{key}", where)
            table["sources"][section][key] = {
                "source": _SET_SOURCE,
                "year": contents.provenance[f"{section}.{key}"].year,
                "assumed": True,
            }
        if overrides:
            table["name"] = f"{contents.name} with {', '.join(text.strip() for text in overrides)}"
        return table

    def checked(self, value: object, entry: Entry, name: str, where: str) -> Value:
        """``value`` as ``entry.kind``. A whole number is accepted for a float, nothing else is cast."""
        if entry.kind is bool:
            if isinstance(value, bool):
                return value
            raise self.error(f"{where}: {name} must be true or false, not {shown(value)}")
        if entry.kind is str:
            if isinstance(value, str) and value in entry.words:
                return value
            raise self.error(f"{where}: {name} must be one of {', '.join(entry.words)}, not {shown(value)}")
        return self._checked_number(value, entry, name, where)

    def _checked_number(self, value: object, entry: Entry, name: str, where: str) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{where}: {name} must be a number, not {shown(value)}")
        if entry.kind is int and not isinstance(value, int):
            raise self.error(f"{where}: {name} must be a whole number, not {shown(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(f"{where}: {name} must be finite, not {value}")
        if not entry.low <= value <= entry.high or (entry.positive and value <= 0):
            opening = "above" if entry.positive else "from"
            raise self.error(
                f"{where}: {name} must be {opening} {_bound(entry.low)} to {_bound(entry.high)}, not {shown(value)}"
            )
        return int(value) if entry.kind is int else float(value)

    def _parsed(self, text: str, entry: Entry, where: str) -> object:
        if entry.kind is str and text in entry.words:
            return text
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except (ValueError, KeyError, RecursionError) as error:
            kinds = f"one of {', '.join(entry.words)}" if entry.kind is str else "a number, true or false"
            raise self.error(f"{where}: '{text}' is not {kinds}") from error

    def _header(self, document: Mapping[str, Any], sections: set[str], where: str) -> tuple[str, str]:
        if not isinstance(document, Mapping):
            raise self.error(f"{where}: expected a table, not {type(document).__name__}")
        self._refuse_unknown(document, {"name", "description", *sections}, where, "")
        return self._text(document, "name", where, ""), self._text(document, "description", where, "")

    def _provenance(self, origin: Mapping[str, Any], name: str, where: str) -> Provenance:
        self._refuse_unknown(origin, ("source", "year", "assumed"), where, f"{name}.")
        source = self._text(origin, "source", where, f"{name}.")
        year, assumed = origin.get("year"), origin.get("assumed")
        if isinstance(year, bool) or not isinstance(year, int) or not 1900 <= year <= 2200:
            raise self.error(f"{where}: {name}.year must be a year, not {shown(year)}")
        if not isinstance(assumed, bool):
            raise self.error(f"{where}: {name}.assumed must be true or false, not {shown(assumed)}")
        return Provenance(source, year, assumed)

    def _table(self, parent: Mapping[str, Any], key: str, where: str, prefix: str = "") -> Mapping[str, Any]:
        if key not in parent:
            raise self.error(f"{where}: {prefix}{key} is missing")
        if not isinstance(parent[key], Mapping):
            raise self.error(f"{where}: {prefix}{key} must be a table, not {shown(parent[key])}")
        return parent[key]

    def _text(self, parent: Mapping[str, Any], key: str, where: str, prefix: str) -> str:
        value = parent.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{where}: {prefix}{key} must be a non-empty string, not {shown(value)}")
        return value

    def _refuse_unknown(self, content: Mapping[str, Any], known: Iterable[str], where: str, prefix: str) -> None:
        known = set(known)
        for key in content:
            if key not in known:
                raise self.error(f"{where}: unknown entry {prefix}{shown(key)}; known: {', '.join(sorted(known))}")


def _bound(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def shown(value: object) -> str:
    """A value for an error message: short and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a huge number"
    text = str(value) if isinstance(value, str) and value.isidentifier() else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
