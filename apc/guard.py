"""Holds that `ir`, `backends` and `simulator` are this distribution's own packages, not namesakes found earlier."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = ("ir", "backends", "simulator")


class ShadowedPackageError(ImportError):
    """A package of this distribution is missing or hidden by another of the same name. The message is one line."""


def check_packages() -> None:
    """Raises ShadowedPackageError unless every package of PACKAGES would be imported from beside `apc`."""
    home = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ShadowedPackageError(f"the package '{name}' of apc-rtm is missing: install apc-rtm again")
        places = [Path(place).resolve() for place in spec.submodule_search_locations or []]
        if not places and spec.origin is not None:
            places = [Path(spec.origin).resolve()]
        if places != [home / name]:
            found = places[0] if places else "an unknown place"
            raise ShadowedPackageError(
                f"another '{name}' ({found}) hides the package of apc-rtm ({home / name}): "
                "start apc from another folder, or take that one off PYTHONPATH or out of the environment"
            )
