"""Markdown that several pages are made of."""

from __future__ import annotations

from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table without a newline at its end."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def replaced(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` between its marks <!-- name --> and <!-- /name -->."""
    before, rest = page.split(f"<!-- {name} -->\n")
    return f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{rest.split(f'<!-- /{name} -->')[1]}"
