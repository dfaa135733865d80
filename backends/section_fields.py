"""Fields of a section of a target file: dataclass fields that carry their unit and bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from backends.figures import Entry


def whole(unit: str, low: int, high: int) -> Any:
    """A whole number from ``low`` to ``high``."""
    return field(metadata={"entry": Entry(int, unit, low, high)})


def real(unit: str, low: float = 0.0, high: float = math.inf, positive: bool = False) -> Any:
    """A number from ``low`` (above it where ``positive``) to ``high``."""
    return field(metadata={"entry": Entry(float, unit, low, high, positive)})


def flag() -> Any:
    """True or false."""
    return field(metadata={"entry": Entry(bool, "")})


def word(*words: str) -> Any:
    """One of ``words``."""
    return field(metadata={"entry": Entry(str, "", words=words)})


def entries_of(sections: Mapping[str, type]) -> dict[str, dict[str, Entry]]:
    """What is allowed for every key of every section."""
    return {section: {one.name: one.metadata["entry"] for one in fields(kind)} for section, kind in sections.items()}
