"""Which backends are compared, and which ``--set NAME.KEY=VALUE`` is whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ir.errors import UserError


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


def require_different(names: Sequence[str], option: str) -> None:
    """Raise UserError where one is named twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{option} {twice[0]}: is named twice; what differs by --set needs a .toml file of its own")
