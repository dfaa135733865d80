"""Comparing figures in SI units."""

from __future__ import annotations

from typing import Any

import pytest


def close(expected: Any, rel: float = 1e-6, abs: float = 0.0) -> Any:
    """``pytest.approx`` without its absolute tolerance of 1e-12, beside which every picojoule is the same."""
    return pytest.approx(expected, rel=rel, abs=abs)
