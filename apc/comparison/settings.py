"""Which backends are compared, which ``--set NAME.KEY=VALUE`` is whose, and a target with one figure changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from backends.target_file import FileTarget
from ir.errors import UserError

AnyTarget = TypeVar("AnyTarget", bound=FileTarget)


def split_overrides(texts: Sequence[str], names: Sequence[str]) -> Mapping[str, list[str]]:
    """ "KEY=VALUE" by the backend that it is for. ``names``: as given: presets, or .toml files, which go by their name
    without folder and ".toml" too. Raises UserError for a NAME that is not among them."""
    known = {alias: name for name in names for alias in (name, Path(name).stem if name.endswith(".toml") else name)}
    found: dict[str, list[str]] = {name: [] for name in names}
    for text in texts:
        mine = [alias for alias in known if text.startswith(f"{alias}.")]
        if not mine:
            raise UserError(
                f"--set {text}: write NAME.KEY=VALUE, where NAME is a backend of this comparison: {', '.join(names)}"
            )
        alias = max(mine, key=len)
        found[known[alias]].append(text.removeprefix(f"{alias}."))
    return found


def with_figure(target: AnyTarget, key: str, value: float) -> AnyTarget:
    """``target`` with "section.name" at ``value``. Raises the UserError of its kind where it takes no such value."""
    table = target.as_table()
    section, name = key.split(".")
    table[section][name] = value
    return target.from_table(table, f"{target.name}, {key} = {value:g}")


def require_different(names: Sequence[str], option: str) -> None:
    """Raise UserError where one is named twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{option} {twice[0]}: is named twice; what differs by --set needs a .toml file of its own")
