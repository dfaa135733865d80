"""Numbers with SI prefixes, for people."""

from __future__ import annotations

import math

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def with_unit(value: float, unit: str) -> str:
    """Three significant digits and a prefix: 0.00123, "J" -> "1.23 mJ"."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    exponent = min(max(3 * math.floor(math.log10(abs(value)) / 3), -15), 12)
    scaled = value / 10.0**exponent
    if abs(float(f"{scaled:.3g}")) >= 1000 and exponent < 12:
        exponent, scaled = exponent + 3, scaled / 1000
    return f"{scaled:.3g} {_PREFIXES[exponent]}{unit}"
