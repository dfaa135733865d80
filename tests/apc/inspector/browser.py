"""A report in a real browser, which is offline and must not complain."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, ViewportSize

from apc.inspector.page import read_bundle
from ir.errors import UserError

VIEWS = ("overview", "graph", "microcode", "timeline", "energy", "comparison", "figures", "about")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str:
    """Why no page can be opened here; empty where it can."""
    if shutil.which("chromium") is None:
        return "chromium is missing (apt-get install chromium)"
    try:
        read_bundle()
    except UserError as error:
        return str(error)
    return ""


def launch(playwright: Playwright) -> Browser:
    """Chromium without a window."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_ARGUMENTS))


@contextmanager
def visit(browser: Browser, path: Path, *, dark: bool = False, width: int = 1400, height: int = 900) -> Iterator[Page]:
    """The page at its first view. At the end of the block nothing may have been requested but the file itself, and
    nothing written to the console."""
    problems: list[str] = []
    address = path.resolve().as_uri()
    context = browser.new_context(
        viewport=ViewportSize(width=width, height=height),
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.set_offline(True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: problems.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("request", lambda request: _note_request(request.url, address, problems))
    page.goto(address)
    page.wait_for_selector("nav a")
    try:
        yield page
        assert problems == []
    finally:
        context.close()


def _note_request(url: str, address: str, problems: list[str]) -> None:
    if url.split("#")[0] != address and not url.startswith(("blob:", "data:")):
        problems.append(f"requested {url}")


def show(page: Page, view: str, query: str = "") -> None:
    """Go to a view by its address and wait until it is there."""
    page.evaluate("hash => { location.hash = hash; }", f"#/{view}{query}")
    page.wait_for_selector(f"main.view-{view}")
    page.wait_for_selector("main h1")
