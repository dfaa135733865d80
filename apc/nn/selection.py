"""Which hardware and which quantisation a layer gets, and which layers are left alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from torch import nn

from apc.nn.engines import is_hardware, stated_quantisation
from apc.nn.errors import ConversionError
from apc.nn.quantisation import Quantisation

if TYPE_CHECKING:
    from apc.nn.engines import Hardware

Thing = TypeVar("Thing")
Chosen: TypeAlias = Thing | Mapping[str, Thing] | Callable[[str, nn.Module], Thing | None]
"""One for all layers, or by the first pattern (of fnmatch) that a layer's name matches, or by name and module."""
Exclusion: TypeAlias = str | type[nn.Module]


class Selection:
    """What ``convert`` was asked for."""

    def __init__(
        self,
        hardware: Chosen[Hardware | str],
        quantisation: Chosen[Quantisation] | None,
        exclude: Exclusion | Iterable[Exclusion],
    ) -> None:
        self._hardware, self._quantisation = hardware, quantisation
        self._excluded = [exclude] if isinstance(exclude, str | type) else list(exclude)
        self._resolve = cache(_resolve)

    def require_matches(self, layers: Collection[str], modules: Collection[str]) -> None:
        """Raise ConversionError for a pattern that no name of a layer matches, or, of those to exclude, of a module."""
        for option, chosen in (("hardware", self._hardware), ("quantisation", self._quantisation)):
            for pattern in chosen if isinstance(chosen, Mapping) else ():
                _require_match(f"{option} {{{pattern!r}: ...}}", pattern, layers)
        for wanted in self._excluded:
            if isinstance(wanted, str):
                _require_match(f"exclude {wanted!r}", wanted, modules)
            elif not isinstance(wanted, type):
                raise ConversionError(f"exclude {wanted!r:.60}: must be a pattern of names or a class of modules")

    def excludes(self, name: str, module: nn.Module) -> bool:
        """Whether a module, and what is in it, stays as it is."""
        return any(
            fnmatchcase(name, wanted) if isinstance(wanted, str) else isinstance(module, wanted)
            for wanted in self._excluded
        )

    def hardware(self, name: str, module: nn.Module) -> Hardware | None:
        """Of a layer; None: it stays digital."""
        chosen = _choose(self._hardware, name, module)
        found = self._resolve(chosen) if isinstance(chosen, str) else chosen
        if found is not None and not is_hardware(found):
            raise ConversionError(
                f"layer {name}: hardware = {found!r}: must be a configuration or the name of a preset or target file"
            )
        return found

    def quantisation(self, name: str, module: nn.Module, hardware: Hardware) -> Quantisation:
        """Of a layer on ``hardware``: what the hardware states where nothing else is wanted."""
        chosen = None if self._quantisation is None else _choose(self._quantisation, name, module)
        if chosen is not None and not isinstance(chosen, Quantisation):
            raise ConversionError(f"layer {name}: quantisation = {chosen!r}: must be an apc.nn.Quantisation")
        return stated_quantisation(hardware) if chosen is None else chosen


def _choose(chosen: Any, name: str, module: nn.Module) -> Any:
    if isinstance(chosen, Mapping):
        return next((value for pattern, value in chosen.items() if fnmatchcase(name, pattern)), None)
    return chosen(name, module) if callable(chosen) and not isinstance(chosen, type) else chosen


def _require_match(what: str, pattern: object, names: Collection[str]) -> None:
    if not isinstance(pattern, str):
        raise ConversionError(f"{what}: must be a pattern of names; choose by class with a function of name and module")
    if not any(fnmatchcase(name, pattern) for name in names):
        inside = any(name.startswith(f"{pattern}.") for name in names)
        hint = f"write '{pattern}.*'" if inside else f"they are named like {', '.join(sorted(filter(None, names))[:3])}"
        raise ConversionError(f"{what}: no layer has such a name, {hint}")


def _resolve(name: str) -> Hardware:
    from apc.nn.presets import resolve

    return resolve(name)
