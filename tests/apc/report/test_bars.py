import pytest

from apc.report.bars import bar, sparkline


@pytest.mark.parametrize(
    ("share", "width", "expected"),
    [(0.0, 4, "    "), (1.0, 4, "████"), (0.5, 4, "██  "), (0.25, 2, "▌ "), (1 / 16, 2, "▏ "), (1e-9, 3, "▏  ")],
)
def test_bar(share: float, width: int, expected: str) -> None:
    assert bar(share, width) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.0, "    "), (1.0, "####"), (0.5, "##  "), (1e-9, "#   ")])
def test_ascii_bar(share: float, expected: str) -> None:
    assert bar(share, 4, ascii_only=True) == expected


def test_sparkline() -> None:
    assert sparkline([0, 1, 2, 4, 7.9, 8], 10) == "▁▂▃▅██"
    assert sparkline([0, 1, 2, 4, 7.9, 8], 10, ascii_only=True) == "_.-=##"
    assert sparkline([0, 0], 10) == "▁▁"
    assert sparkline([], 10) == ""


def test_a_sparkline_shows_the_greatest_of_those_that_share_a_letter() -> None:
    assert sparkline([8, 0, 0, 0, 4, 0], 3) == "█▁▅"
