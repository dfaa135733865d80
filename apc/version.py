"""The version of the installed apc."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "apc-rtm"


def installed_version() -> str | None:
    """None where apc runs from a source folder without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None
