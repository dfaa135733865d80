"""The HTML file: what is put in comes out again, whatever it looks like, and nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from apc.inspector.page import Bundle, page, read_bundle
from ir.errors import UserError
from tests.apc.inspector.reading import read

NASTY = "</script><script>alert(1)</script><!-- <b> & \" ' \u2028 </style>"


def test_nothing_breaks_out_of_its_element() -> None:
    script = 'const end = "</script>", open = "<!--", shut = "</SCRIPT>";'
    text = page(Bundle(script, 'a::after { content: "</style>" }', NASTY), NASTY, [("summary", NASTY.encode())])
    found = read(text)
    assert [element.tag for element in found.elements] == ["style", "script", "script", "script"]
    assert found.title == NASTY
    assert found.chunks() == {"summary": NASTY.encode()}
    style, licences, _, program = found.elements
    assert program.text == 'const end = "<\\/script>", open = "<\\!--", shut = "<\\/SCRIPT>";'
    assert style.text == 'a::after { content: "<\\/style>" }'
    assert "alert(1)" in licences.text and licences.attributes["type"] == "text/plain"


def test_nothing_is_fetched() -> None:
    found = read(page(Bundle("", "", ""), "a page", []))
    addresses = [value for _, attributes in found.tags for key, value in attributes.items() if key in ("src", "href")]
    assert addresses == ["data:,"]
    (policy,) = [a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in (policy or "").split(";"))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    assert not any(word.startswith(("http", "*")) for rule in rules.values() for word in rule.split())


def test_chunks_are_small(tmp_path: Path) -> None:
    text = page(Bundle("", "", ""), "a page", [("tile-0-0", bytes(100_000))])
    assert len(text) < 2_000


def test_a_missing_bundle_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make bundle"):
        read_bundle(tmp_path)
    for name in ("inspector.js", "inspector.css", "licences.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert read_bundle(tmp_path) == Bundle("inspector.js", "inspector.css", "licences.txt")
