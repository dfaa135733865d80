"""Checks of the interpreter, of the packages that apc needs, and of apc's own packages."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from apc.doctor.findings import Finding
from apc.guard import PACKAGES, ShadowedPackageError, check_packages
from apc.version import DISTRIBUTION, installed_version

INSTALL = "python -m pip install"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?")
_OLDEST_PYTHON = (3, 11)


def own_version() -> Iterator[Finding]:
    """The version of apc and of the interpreter, and where both are."""
    home = Path(__file__).resolve().parent.parent
    version = installed_version()
    if version is not None:
        yield Finding("ok", "apc", f"{version} in {home}")
    else:
        remedy = f"{INSTALL} -e {home.parent}, for the command `apc` and the versions of what it needs"
        yield Finding("warn", "apc", f"not installed, running from {home.parent}", remedy)
    text = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        yield Finding("ok", "python", text)
    else:
        yield Finding("FAIL", "python", text, f"use Python {'.'.join(map(str, _OLDEST_PYTHON))} or newer")


def own_packages() -> Iterator[Finding]:
    """Whether `ir`, `backends` and `simulator` are apc's own, or others of the same name that are found earlier."""
    try:
        check_packages()
    except ShadowedPackageError as error:
        yield Finding("FAIL", "own packages", str(error), "start apc from another folder, or rename what hides it")
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or "an unknown place"])
        if places:
            yield Finding("ok", name, f"imported from {places[0]}")
        else:
            yield Finding("FAIL", name, "is missing", f"{INSTALL} --force-reinstall --no-deps {DISTRIBUTION}")


def dependencies(requirements: Iterable[str] | None = None) -> Iterator[Finding]:
    """Every package that apc needs: its version against the least one, and whether it can be imported. By default
    those of the installed distribution; those of its extras are left out."""
    if requirements is None:
        try:
            requirements = metadata.requires(DISTRIBUTION) or []
        except metadata.PackageNotFoundError:
            yield Finding("warn", "dependencies", "not known: apc is not installed", f"{INSTALL} -e . in its folder")
            return
    for line in requirements:
        requirement, _, marker = line.partition(";")
        found = _REQUIREMENT.match(requirement)
        if found is not None and "extra" not in marker:
            yield _dependency(found[1], found[2] or "")


def _dependency(name: str, least: str) -> Finding:
    wanted = f">={least}" if least else ""
    remedy = f'{INSTALL} "{name}{wanted}"'
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("FAIL", name, f"is not installed ({wanted or 'any version'} is needed)", remedy)
    if _numbers(version) < _numbers(least):
        return Finding("FAIL", name, f"{version} is too old, {wanted} is needed", remedy)
    try:
        importlib.import_module(name)
    except Exception as error:  # a broken package may raise anything
        reason = " ".join(str(error).split())
        return Finding("FAIL", name, f"{version} cannot be imported: {type(error).__name__}: {reason}", remedy)
    return Finding("ok", name, f"{version} ({wanted})" if wanted else version)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers at the front of a version: 2.13.0+cpu -> (2, 13, 0)."""
    front = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in front[0].split(".")) if front else ()
