"""docs/figures is current, and what is drawn is what the machine does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apc.report.machine_figures import ADD_ROWS, addition, figures, offsets
from apc.report.program_figures import example_program
from tests.workspace import DIGITS

FOLDER = Path(__file__).parents[3] / "docs" / "figures"


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return figures(example_program(DIGITS))


def test_the_figures_are_current(drawn: dict[str, str]) -> None:
    assert set(drawn) == {path.name for path in FOLDER.glob("*.svg")}
    for name, text in drawn.items():
        current = (FOLDER / name).read_text(encoding="utf-8") == text
        assert current, f"{name}: python -m apc.report.machine_figures docs/figures {DIGITS}"


def test_figures_say_what_they_show(drawn: dict[str, str]) -> None:
    for text in drawn.values():
        assert text.count('<svg role="img"') == 1 and "http://www.w3.org/2000/svg" in text
        assert len(re.findall(r"<desc>([^<]*)</desc>", text)[0]) > 40
        assert not re.search(r"<dc:date>", text)


def test_the_drawn_addition_adds() -> None:
    passes = addition()
    assert len(passes) == 9
    for row, (r, a) in enumerate(ADD_ROWS):
        assert int(passes[-1][2][row].split()[1], 2) == r + a
        states = [f"0  {r:03b}", *(after[row] for _, _, after in passes)]
        for (_, tagged, _), before, after in zip(passes, states, states[1:], strict=False):
            assert tagged[row] or before == after, "only tagged rows change"


def test_columns_go_where_the_fields_lie() -> None:
    along, across = offsets("add c8.d12:6 c6.d4:4", 8), offsets("add c8.d12:6x c20.d4:4x", 8)
    assert max(along) == 12 + 5 and set(across) == {0, 12} and set(along) == {0, *range(12, 18)}
