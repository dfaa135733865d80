"""docs/crossbar.md and docs/acim.md say what the configurations' schemas say."""

from pathlib import Path

import pytest

from apc.report.config_page import PAGES, renewed

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert renewed(page, PAGES[name]) == page, f"python -m apc.report.config_page docs/{name}"


@pytest.mark.parametrize("name", PAGES)
def test_every_field_has_a_line_with_a_meaning(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    for field in vars(PAGES[name]()):
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{field}` |")]
        assert len(line.replace("\\|", "").split("|")[4].strip()) > 5
