"""Bars and sparklines of letters: Unicode blocks, or ASCII where the terminal's encoding has none."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-~=+*#"


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """A bar of at most ``width`` letters, padded to it; ``share`` in 0..1. What is not 0 shows at least a trace."""
    if ascii_only:
        return ("#" * max(round(share * width), share > 0)).ljust(width)
    eighths = max(round(share * width * 8), share > 0)
    rest = _EIGHTHS[eighths % 8] if eighths % 8 else ""
    return ("█" * (eighths // 8) + rest).ljust(width)


def sparkline(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """One letter a value, its height the value's share of the greatest. Of more values than ``width`` neighbours share
    a letter, the greatest of them."""
    if not values:
        return ""
    levels = _ASCII_LEVELS if ascii_only else _LEVELS
    most = max(values)
    count = min(len(values), width)
    ends = [len(values) * i // count for i in range(count + 1)]
    heights = [max(values[a:b]) / most if most else 0.0 for a, b in zip(ends, ends[1:], strict=False)]
    return "".join(levels[min(int(height * len(levels)), len(levels) - 1)] for height in heights)
