"""The page that `apc report` writes: how large, how long to write, to open and to search in Chromium."""

from __future__ import annotations

import re
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import APC, measure
from benchmarks.results import Limit, Result
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LARGEST_BYTES = 5e6
_FOUND = "() => /^[\\d,]+ found$/.test(document.querySelector('search [role=status]')?.textContent ?? '')"
_PATTERN = r"\bmac\b"
_PATIENCE_MS = 300_000


def inspector(workload: Workload) -> Iterator[Result]:
    """`apc report` of the compiled network, and its page in Chromium."""
    path = workload.folder / "report.html"
    program = workload.program_at("O2")
    instructions = sum(len(tile.instructions) for layer in program.layers for tile in layer.tiles)
    artifact = workload.model.with_suffix(".O2.apc")
    written = measure([APC, "report", str(artifact), "-o", str(path)])
    compiled = measure([APC, "compile", str(workload.model), "-O2", "-o", str(workload.folder / "again.apc")])
    size = path.stat().st_size
    yield Result("size of the page", size, "bytes", Limit("<=", LARGEST_BYTES), f"{instructions:,} instructions")
    yield Result("size of the page / program", size / artifact.stat().st_size, "x")
    yield Result("writing it / compiling the program", written.wall_s / compiled.wall_s, "x", note="-O2")
    yield Result("writing it", written.wall_s, "s")
    if shutil.which("chromium") is not None:
        yield from _in_chromium(workload, path, artifact, instructions)


def _in_chromium(workload: Workload, path: Path, artifact: Path, instructions: int) -> Iterator[Result]:
    from playwright.sync_api import sync_playwright

    empty = workload.folder / "empty.html"
    empty.write_text("<!doctype html><title>nothing</title><nav><a>nothing</a></nav>", encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        pairs = [(_opening_s(browser, path), _opening_s(browser, empty)) for _ in range(workload.size.repetitions)]
        opened, of_empty = (statistics.median(times) for times in zip(*pairs, strict=True))
        searched_s, found = _search(browser, path)
        browser.close()
    yield Result("opening it in Chromium", opened, "s", note=f"median of {len(pairs)}")
    yield Result("opening it / an empty page", opened / of_empty, "x", note=f"median of {len(pairs)}")
    printed_s, lines = _search_by_text(artifact, workload.folder / "searched.asm")
    yield Result("matches beyond those in the assembly text", found - lines, "", Limit("==", 0), _PATTERN)
    yield Result("searching all instructions in the page", searched_s, "s", note=f"{instructions:,}")
    yield Result("searching 1,000,000 instructions", searched_s / instructions * 1e6, "s")
    yield Result("searching / `apc disasm` and a regular expression", searched_s / printed_s, "x")


def _opening_s(browser: Browser, path: Path) -> float:
    """Until the views' names are there, in a new window."""
    page = browser.new_page()
    started = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("nav a")
    elapsed = time.perf_counter() - started
    page.close()
    return elapsed


def _search(browser: Browser, path: Path) -> tuple[float, int]:
    """Seconds to search the whole program, each tile opened on the way, and how many matches there are."""
    page = browser.new_page()
    page.goto(f"{path.as_uri()}#/microcode")
    page.get_by_role("grid").wait_for()
    page.get_by_role("search").get_by_role("combobox").select_option("program")
    started = time.perf_counter()
    page.get_by_role("searchbox", name="Search").fill(f"/{_PATTERN}/")
    page.wait_for_function(_FOUND, timeout=_PATIENCE_MS)
    elapsed = time.perf_counter() - started
    text = page.get_by_role("search").get_by_role("status").inner_text()
    page.close()
    return elapsed, int(re.sub(r"\D", "", text))


def _search_by_text(artifact: Path, text: Path) -> tuple[float, int]:
    """Seconds to print the program as text and to search that, and how many lines match."""
    started = time.perf_counter()
    measure([APC, "disasm", str(artifact), "-o", str(text)])
    pattern = re.compile(_PATTERN)
    with text.open(encoding="utf-8") as lines:
        found = sum(1 for line in lines if pattern.search(line))
    return time.perf_counter() - started, found
