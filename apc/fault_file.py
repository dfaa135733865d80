"""Fault files: docs/faults.md as TOML, and the presets that come with the tool."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apc.errors import ApcError
from simulator.rtm.faults.model import (
    FaultError,
    Faults,
    Mitigation,
    SearchFaults,
    ShiftFaults,
    StuckWires,
    WriteFaults,
)

PRESET_FOLDER = Path(__file__).parent / "faults"

_SECTIONS: dict[str, tuple[type, tuple[str, ...]]] = {
    "shift": (ShiftFaults, ("over", "under", "pinning", "by_distance")),
    "search": (SearchFaults, ("false_match", "false_mismatch")),
    "write": (WriteFaults, ("not_switched",)),
    "stuck": (StuckWires, ("zero", "one")),
    "mitigation": (Mitigation, ("realign_every", "correct", "guard_domains")),
}
_ORIGIN: dict[str, tuple[type, str]] = {
    "source": (str, "a text"),
    "year": (int, "a year"),
    "assumed": (bool, "true or false"),
}


@dataclass(frozen=True)
class Origin:
    """Where a figure of a fault file comes from; ``assumed``: at least one step to it is not published."""

    source: str
    year: int | None
    assumed: bool


@dataclass(frozen=True)
class FaultFile:
    """What a fault file says; ``origins``: "section.key" -> where that figure comes from, where the file says so."""

    name: str
    description: str
    faults: Faults
    origins: Mapping[str, Origin]


def fault_preset_names() -> list[str]:
    """The fault presets that come with the tool, sorted."""
    return sorted(path.stem for path in PRESET_FOLDER.glob("*.toml"))


def load_faults(name_or_path: str | Path) -> FaultFile:
    """A preset by name, or a .toml file by path. Raises ApcError, whose one line names the file and the key."""
    presets = fault_preset_names()
    if str(name_or_path) in presets:
        path = PRESET_FOLDER / f"{name_or_path}.toml"
    else:
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise ApcError(f"unknown faults '{name_or_path}': name a .toml file or one of {', '.join(presets)}")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ApcError(f"{path}: cannot read the fault file: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or a number beyond Python's digit limit
        raise ApcError(f"{path}: not a TOML file: {' '.join(str(error).split())}") from error
    return _from_document(document, path)


def _from_document(document: Mapping[str, Any], path: Path) -> FaultFile:
    _refuse_unknown(document, ("name", "description", *_SECTIONS), f"{path}: ", "")
    origins: dict[str, Origin] = {}
    parts: dict[str, Any] = {}
    try:
        for section, (kind, keys) in _SECTIONS.items():
            content = _table(document.get(section, {}), section, path)
            _refuse_unknown(content, keys, f"{path}: ", f"{section}.")
            parts[section] = kind(**{key: _figure(content[key], f"{section}.{key}", path, origins) for key in content})
    except FaultError as error:
        raise ApcError(f"{path}: {error}") from error
    name = _text(document.get("name", path.stem), "name", path)
    return FaultFile(name, _text(document.get("description", ""), "description", path), Faults(**parts), origins)


def _figure(entry: object, name: str, path: Path, origins: dict[str, Origin]) -> object:
    """The value of an entry, which is a plain value or a table {value, source, year, assumed}."""
    if isinstance(entry, Mapping):
        _refuse_unknown(entry, ("value", *_ORIGIN), f"{path}: ", f"{name}.")
        if "value" not in entry:
            raise ApcError(f"{path}: {name}.value is missing")
        for key, (kind, wanted) in _ORIGIN.items():
            if key in entry and type(entry[key]) is not kind:
                raise ApcError(f"{path}: {name}.{key} must be {wanted}, not {_shown(entry[key])}")
        origins[name] = Origin(entry.get("source", ""), entry.get("year"), entry.get("assumed", False))
        entry = entry["value"]
    if name == "shift.by_distance":
        if not isinstance(entry, list) or not entry:
            raise ApcError(f"{path}: {name} must be a list of probabilities, not {_shown(entry)}")
        return tuple(entry)
    return entry


def _table(value: object, name: str, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ApcError(f"{path}: {name} must be a table, not {_shown(value)}")
    return value


def _text(value: object, name: str, path: Path) -> str:
    if not isinstance(value, str):
        raise ApcError(f"{path}: {name} must be a text, not {_shown(value)}")
    return value


def _refuse_unknown(content: Mapping[str, Any], known: Iterable[str], where: str, prefix: str) -> None:
    known = tuple(known)
    for key in content:
        if key not in known:
            raise ApcError(f"{where}unknown entry {prefix}{key}; known: {', '.join(known)}")


def _shown(value: object) -> str:
    """A value for an error message: short and on one line."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
