"""The site builds without a warning, loads nothing from the network, and has every page in its bar."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    warnings = re.findall(r"^(?:WARNING|ERROR) .*", built.stderr, re.MULTILINE)
    assert not warnings, "\n".join(warnings)
    return folder


def test_every_page_is_built(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()


def test_pages_load_nothing_from_the_network(site: Path) -> None:
    """Scripts, styles, images and fonts; links may lead elsewhere."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|link)[^>]* (?:src|href)=[\"']?(https?:[^\"' >]+)", text)
        assert not loaded, f"{page}: {loaded}"
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\([\"']?https?:", style.read_text(encoding="utf-8"))


def test_figures_have_words_for_those_who_cannot_see_them(site: Path) -> None:
    images = re.findall(r"<img [^>]*>", (site / "machine.html").read_text(encoding="utf-8"))
    figures = [image for image in images if "figures/" in image]
    assert len(figures) == len(list((ROOT / "docs" / "figures").glob("*.svg")))
    assert all(len(re.findall(r"alt=\"([^\"]*)\"", image)[0]) > 60 for image in figures)


def test_the_search_works_from_the_disk(site: Path) -> None:
    assert (site / "search" / "search_index.js").is_file(), "the plugin `offline` makes it"
