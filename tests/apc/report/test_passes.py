"""docs/passes.md says what the passes say of themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apc.passes import KNOWN
from apc.report.pass_examples import EXAMPLES, Equations, outcome
from apc.report.passes import option_meanings, passes_page
from ir.interpreter import run_graph
from ir.passes.options import options_of
from ir.types import IntType

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "passes.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == passes_page(), "python -m apc.report.passes > docs/passes.md"


@pytest.mark.parametrize("name", KNOWN)
def test_docstrings_explain_every_option(name: str) -> None:
    meanings = option_meanings(KNOWN[name])
    assert list(meanings) == list(options_of(KNOWN[name])) and all(meanings.values())


@pytest.mark.parametrize("name", KNOWN)
def test_every_pass_has_an_example_on_which_it_does_something(name: str) -> None:
    off, on = (outcome(EXAMPLES[name], on) for on in (False, True))
    assert off.figures.keys() == on.figures.keys() and off.figures != on.figures


def test_equations_are_the_sums_that_are_compiled() -> None:
    """What the page writes as text is what its programs compute."""
    graph = Equations(("y0 = 5 + x0 - x2", "y1 = x1", "y2 = -x0 + x1"), IntType(4, False), IntType(6, True), 2).graph()
    x = np.array([3, 7, 1, 9]).reshape(1, 1, 1, 4)
    values = run_graph(graph, {"x": x})["clamped"]
    assert values.reshape(3, 2).tolist() == [[7, 3], [7, 1], [4, -6]]


def test_levels_and_options_are_tables() -> None:
    page = passes_page()
    assert "| `cse` |  | `channels=1` | `cluster=true` | `cluster=true,budget_s=60.0` |" in page
    assert "| `dead-code` | on | on | on | on |" in page
    assert "| `cluster` | channels that share much are put into one group | true or false | `false` |" in page
