"""The two sides of a comparison: associative processors, and arrays that compute where weights are stored (crossbars
and SRAM), with what is set differently on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apc.comparison.associative import same_arrays
from apc.comparison.settings import AnyTarget, require_different, split_overrides
from apc.target_files import ARRAYS, ArrayTarget, load_one_of, names_of
from backends.target import Target, load_target, preset_names
from backends.target_file import FileTarget
from ir.errors import UserError

DEFAULT_TARGET = "rtm-ap-published"


@dataclass(frozen=True, eq=False)
class Sides:
    """Targets by the name that they were asked for; ``aps[0]`` is the reference. ``overrides``: by the same names.
    ``notes``: what was left out, and why."""

    aps: Sequence[tuple[str, Target]]
    arrays: Sequence[tuple[str, ArrayTarget]]
    overrides: Mapping[str, Sequence[str]]
    notes: Sequence[str]


def first_target(
    targets: Sequence[str | Path], against: Sequence[str | Path], overrides: Sequence[str]
) -> tuple[str, Sequence[str]]:
    """The target that a model is compiled for, and the overrides that are for it."""
    names = [str(name) for name in targets] or [DEFAULT_TARGET, *_without(preset_names(), DEFAULT_TARGET)]
    return names[0], _split(names, against, overrides)[names[0]]


def choose_sides(
    own: Target,
    targets: Sequence[str | Path],
    against: Sequence[str | Path],
    overrides: Sequence[str],
    compiled_as: str | None = None,
) -> Sides:
    """All targets, loaded. ``own``: the program's; ``compiled_as``: the name under which it was just compiled, with its
    overrides. Raises UserError for a name, file or override that is unusable."""
    own_name = compiled_as or (own.name if targets else own.name.partition(" with ")[0])
    names = [str(name) for name in targets] or [own_name, *_without(preset_names(), own_name)]
    split = _split(names, against, overrides)
    arrays = [(name, _loaded(_load_array, name, split[name])) for name in _array_names(against)]
    aps, notes = [], []
    for name in names:
        if name == own_name:
            aps.append((name, own if compiled_as else _own_with(own, own_name, split[name])))
            continue
        target = _loaded(load_target, name, split[name])
        if targets or same_arrays(target, own):
            aps.append((name, target))
        else:
            notes.append(f"{name} is left out: its arrays are not those the program was compiled for")
    _require_own_names([*aps, *arrays])
    return Sides(aps, arrays, split, notes)


def _require_own_names(named: Sequence[tuple[str, FileTarget]]) -> None:
    """Tables and ratios go by the names of targets, which a file may have copied from a preset."""
    seen: dict[str, str] = {}
    for asked, target in named:
        if target.name in seen:
            raise UserError(
                f"{asked}: its target is named {target.name}, as that of {seen[target.name]} is: "
                "change the entry 'name' of the file"
            )
        seen[target.name] = asked


def _split(names: Sequence[str], against: Sequence[str | Path], overrides: Sequence[str]) -> Mapping[str, list[str]]:
    others = _array_names(against)
    for option, given, wrong, right in (
        ("--target", names, names_of(ARRAYS), "an array: give it with --against"),
        ("--against", others, preset_names(), "an associative processor: give it with --target"),
    ):
        for name in given:
            if name in wrong:
                raise UserError(f"{option} {name}: it is {right}")
    require_different(names, "--target")
    require_different(others, "--against")
    return split_overrides(overrides, [*names, *others])


def _array_names(against: Sequence[str | Path]) -> list[str]:
    return [str(name) for name in against] or names_of(ARRAYS)


def _load_array(name: str, overrides: Sequence[str]) -> ArrayTarget:
    return load_one_of(ARRAYS, name, overrides)


def _without(names: Sequence[str], name: str) -> list[str]:
    return [other for other in names if other != name]


def _own_with(own: Target, name: str, overrides: Sequence[str]) -> Target:
    if not overrides:
        return own
    if name not in preset_names() or load_target(name).as_table() != own.as_table():
        raise UserError(
            f"--set {name}.{overrides[0]}: the program holds its target, {own.name}, which is no preset as it comes: "
            "name the target with --target NAME|FILE.toml, and set the figure there"
        )
    return _loaded(load_target, name, overrides)


def _loaded(load: Callable[[str, Sequence[str]], AnyTarget], name: str, overrides: Sequence[str]) -> AnyTarget:
    """What ``load`` gives; where it refuses an override, the message names the target too."""
    try:
        return load(name, overrides)
    except UserError as error:
        if str(error).startswith("--set"):
            raise UserError(f"{name}, {error}") from error
        raise
