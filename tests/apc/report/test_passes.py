"""docs/passes.md says what the passes say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from apc.passes import KNOWN
from apc.report.passes import option_meanings, passes_page
from ir.passes.options import options_of

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "passes.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == passes_page(), "python -m apc.report.passes > docs/passes.md"


@pytest.mark.parametrize("name", KNOWN)
def test_docstrings_explain_every_option(name: str) -> None:
    meanings = option_meanings(KNOWN[name])
    assert list(meanings) == list(options_of(KNOWN[name])) and all(meanings.values())


def test_levels_and_options_are_tables() -> None:
    page = passes_page()
    assert "| `cse` |  | `channels=1` | `cluster=true` | `cluster=true,budget_s=60.0` |" in page
    assert "| `dead-code` | on | on | on | on |" in page
    assert "| `cluster` | channels that share much are put into one group | true or false | `false` |" in page
