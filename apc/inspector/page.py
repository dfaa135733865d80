"""The one HTML file of a report: everything inline, nothing fetched."""

from __future__ import annotations

import base64
import html
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ir.errors import UserError

BUNDLE = Path(__file__).parent / "bundle"
"""What `npm run build` in apc/inspector/web writes; part of the wheel."""
_PARTS = ("inspector.js", "inspector.css", "licences.txt")
_ICON = "data:,"
"""Of nothing: browsers ask for one otherwise."""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; worker-src blob:"
)
"""What the browser holds the page to: nothing comes from, or goes to, any network."""
_LEVEL = 8
"""Of zlib: 9 takes 2.5 times as long for 0.4 % less (ResNet-18)."""


@dataclass(frozen=True)
class Bundle:
    """The page's program, its looks, and the licences of what is bundled."""

    script: str
    style: str
    licences: str


def read_bundle(folder: Path | None = None) -> Bundle:
    """From ``folder`` (default: BUNDLE). Raises UserError where the bundle has not been built."""
    folder = BUNDLE if folder is None else folder
    try:
        return Bundle(*((folder / name).read_text(encoding="utf-8") for name in _PARTS))
    except FileNotFoundError as error:
        raise UserError(
            f"{folder}: the page's program is missing; build it in the source folder with Node's npm: `make bundle`"
        ) from error


def page(bundle: Bundle, title: str, chunks: Iterable[tuple[str, bytes]]) -> str:
    """The file. ``chunks``: (name, content), which are compressed here."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="icon" href="{_ICON}">',
        f"<title>{html.escape(title)}</title>",
        f"<style>{_inside(bundle.style, 'style')}</style>",
        "</head>",
        "<body>",
        '<div id="apc-app"></div>',
        "<noscript>This report needs JavaScript. It loads nothing from the network.</noscript>",
        f'<script type="text/plain" id="apc-licences">{_inside(bundle.licences, "script")}</script>',
        *(_chunk(name, content) for name, content in chunks),
        f"<script>{_inside(bundle.script, 'script')}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _chunk(name: str, content: bytes) -> str:
    """Deflated, with zlib's header and checksum, as browsers' DecompressionStream("deflate") reads it."""
    packed = base64.b64encode(zlib.compress(content, _LEVEL)).decode("ascii")
    opening = f'<script type="application/octet-stream" id="chunk-{name}" data-bytes="{len(content)}">'
    return f"{opening}{packed}</script>"


def _inside(text: str, element: str) -> str:
    """``text`` as the content of a raw text element: its end tag, and what opens a comment, are broken up. In
    JavaScript and CSS both stand in strings, where a backslash changes nothing."""
    return re.sub(rf"<(?=/{element}|!--)", "<\\\\", text, flags=re.IGNORECASE)
