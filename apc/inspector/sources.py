"""What a report is made of: a program, and a run and a comparison of it where there are any."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apc import artifact
from apc.report.reference import file_sha256
from ir.errors import UserError
from ir.program import Program

RUN, COMPARISON = "apc.run/1", "apc.compare/1"
_MAKES = {
    RUN: "apc run OUT.apc --input X.npz --json > run.json",
    COMPARISON: "apc compare OUT.apc --json > compare.json",
}
_KEYS: dict[str, dict[str, type]] = {
    RUN: {"images": int, "energy_J": dict, "layers": list},
    COMPARISON: {"workload": dict, "backends": list, "break_even": dict, "sensitivity": dict},
}
_ZIP = b"PK"


@dataclass(frozen=True, eq=False)
class Sources:
    """``path``: of the program. ``run``, ``comparison``: apc.run/1 and apc.compare/1 objects, or None."""

    path: Path
    program: Program
    run: dict[str, Any] | None
    comparison: dict[str, Any] | None


def read_sources(paths: Sequence[Path]) -> Sources:
    """``paths``: an .apc file, `apc run --json`, `apc compare --json`, at most one of each, in any order. Without the
    .apc file it is the one that the JSON names: as it was given then, from the JSON's folder, or in it; of several, the
    one whose bytes are those of then.

    Raises UserError for what is none of them, and where they are not of one program.
    """
    documents: dict[str, tuple[Path, dict[str, Any]]] = {}
    programs = [path for path in paths if _is_program(path)]
    for path in paths:
        if path in programs:
            continue
        document = _read_json(path)
        kind = document["schema"]
        if kind in documents:
            raise UserError(f"{path}: is a second {kind}, after {documents[kind][0]}; give one")
        documents[kind] = path, document
    if len(programs) > 1:
        raise UserError(f"{programs[1]}: is a second program, after {programs[0]}; a report is of one")
    program_path = programs[0] if programs else _named_program(list(documents.values()))
    program = artifact.load(program_path)
    for kind, (path, document) in documents.items():
        _check_program(kind, path, document, program_path, program)
    run, comparison = (documents[kind][1] if kind in documents else None for kind in (RUN, COMPARISON))
    return Sources(program_path, program, run, comparison)


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return path.suffix == ".apc" or file.read(len(_ZIP)) == _ZIP
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    """A run or a comparison with the keys that a report needs."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is neither an .apc program nor JSON: {' '.join(str(error).split())}") from error
    kind = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in _KEYS:
        shown = f"has the schema {kind!r}" if isinstance(kind, str) else "names no schema"
        raise UserError(f"{path}: {shown}; a report takes {RUN} (`{_MAKES[RUN]}`) or {COMPARISON}")
    missing = [key for key, shape in _KEYS[kind].items() if not isinstance(document.get(key), shape)]
    if missing:
        raise UserError(f"{path}: is not a whole {kind}: no {missing[0]!r}; make it with `{_MAKES[kind]}`")
    return dict(document)


def _named_program(documents: list[tuple[Path, dict[str, Any]]]) -> Path:
    """The program that the first document names."""
    for path, document in documents:
        named = document.get("program")
        if not isinstance(named, str):
            continue
        candidates = (Path(named), path.parent / named, path.parent / Path(named).name)
        there = [candidate for candidate in candidates if candidate.is_file()]
        if not there:
            raise UserError(
                f"{path}: is of {named}, which is not there; name the program too: apc report OUT.apc {path}"
            )
        digest = document.get("program_sha256")
        return next((candidate for candidate in there if file_sha256(candidate) == digest), there[0])
    first = documents[0][0] if documents else "the sources"
    raise UserError(f"{first}: name no program; add it: apc report OUT.apc ...")


def _check_program(kind: str, path: Path, document: dict[str, Any], program_path: Path, program: Program) -> None:
    """Raise UserError where ``document`` is of another program."""
    digest = document.get("program_sha256")
    if digest is not None and digest != file_sha256(program_path):
        raise UserError(f"{path}: is not of {program_path} as it is now (its SHA-256 differs); run `{_MAKES[kind]}`")
    if kind == RUN:
        names = [layer.get("name") for layer in document["layers"] if isinstance(layer, dict)]
        if names != [layer.name for layer in program.layers]:
            raise UserError(f"{path}: has other layers than {program_path}; run `{_MAKES[kind]}`")
    elif document["workload"].get("model_sha256") != program.model_sha256:
        raise UserError(f"{path}: is of another network than {program_path}; run `{_MAKES[kind]}`")
