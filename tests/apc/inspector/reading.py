"""Reads a report's page back without a browser."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import numpy as np

from ir.isa import RECORD
from ir.program import GATHER


@dataclass
class Element:
    """A script or style element."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """``elements``: scripts and styles, in order. ``tags``: (tag, attributes) of everything."""

    elements: list[Element] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    title: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.elements[-1].text += data
        elif self._open and self._open[-1] == "title":
            self.title += data

    def chunks(self) -> dict[str, bytes]:
        """By name, unpacked; each as long as it says."""
        found = {}
        for element in self.elements:
            name = element.attributes.get("id") or ""
            if not name.startswith("chunk-"):
                continue
            content = zlib.decompress(base64.b64decode(element.text, validate=True))
            assert len(content) == int(element.attributes["data-bytes"] or "")
            found[name.removeprefix("chunk-")] = content
        return found

    def summary(self) -> dict[str, Any]:
        return dict(json.loads(self.chunks()["summary"]))


def read(text: str) -> Page:
    """The page of a report."""
    page = Page()
    page.feed(text)
    page.close()
    return page


@dataclass(frozen=True)
class TileTables:
    """What a tile's chunk holds."""

    instructions: np.ndarray
    constants: np.ndarray
    gathers: np.ndarray
    source_searches: np.ndarray
    source_steps: np.ndarray


def tile_tables(content: bytes, facts: dict[str, Any]) -> TileTables:
    """``facts``: the tile's in the summary, which say how long each table is."""
    at = 0

    def take(dtype: Any, count: int) -> np.ndarray:
        nonlocal at
        table = np.frombuffer(content, dtype, count, at)
        at += table.nbytes
        return table

    planes = take("u1", 16 * facts["instructions"]).reshape(16, facts["instructions"])
    records = np.ascontiguousarray(planes.T).reshape(-1).view(RECORD)
    tables = TileTables(
        records,
        take("<i8", facts["constants"]),
        take(GATHER, facts["gathers"]),
        take("<u4", facts["gathering"]),
        take("<u4", facts["gathering"]),
    )
    assert at == len(content)
    return tables
