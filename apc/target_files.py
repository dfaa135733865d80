"""Targets of every kind by the name of a preset or by a file: which kind it is, and loading it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from backends.crossbar.target import CrossbarTarget
from backends.sram_acim.target import AcimTarget
from backends.target import Target
from backends.target_file import FileTarget
from ir.errors import UserError

ArrayTarget = CrossbarTarget | AcimTarget
"""Arrays that compute where weights are stored: what associative processors are compared with."""
AnyTarget = Target | ArrayTarget
ARRAYS: tuple[type[ArrayTarget], ...] = (CrossbarTarget, AcimTarget)
TARGETS: tuple[type[AnyTarget], ...] = (Target, *ARRAYS)

Kind = TypeVar("Kind", bound=FileTarget)


def names_of(kinds: Sequence[type[FileTarget]]) -> list[str]:
    """The presets of all ``kinds``, each kind sorted."""
    return [name for kind in kinds for name in kind.family.names()]


def load_one_of(kinds: Sequence[type[Kind]], name: str, overrides: Iterable[str] = ()) -> Kind:
    """A preset or file of any of ``kinds``. Raises UserError, with all their presets, for a name that is neither, and
    the error of its kind for a file or override that is unusable."""
    if name not in names_of(kinds) and not name.endswith(".toml"):
        raise UserError(f"unknown target '{name}': name a .toml file or one of {', '.join(names_of(kinds))}")
    return _kind_of(kinds, name).load(name, overrides)


def _kind_of(kinds: Sequence[type[Kind]], name: str) -> type[Kind]:
    """The kind whose preset has this name; of a file, that of the preset which it extends, else the one with most of
    its sections; the first where nothing tells."""
    known = names_of(kinds)
    document = {} if name in known else _document(Path(name))
    if document.get("extends", known[0]) not in known:
        raise UserError(f"{name}: extends must be one of {', '.join(known)}, not {document['extends']!r:.40}")
    for kind in kinds:
        if {name, str(document.get("extends"))} & set(kind.family.names()):
            return kind
    return max(kinds, key=lambda kind: len(set(document) & set(kind.family.sections)))


def _document(path: Path) -> dict[str, Any]:
    """What cannot be read has no sections; loading it says why."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
