"""The page of the whole ResNet-18: small enough, quick to go through, the same as Python at both ends."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from playwright.sync_api import Browser, expect

import apc
from apc.inspector import write_report
from examples.drawn import export
from examples.resnet18 import build
from tests.apc.inspector.browser import VIEWS, show, visit
from tests.apc.inspector.test_machine_port import compare
from tests.apc.inspector.test_views import SCREENSHOTS, settle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    model, crops = build(density=0.2)
    onnx.save(export(model, crops)[0], folder / "resnet18.onnx")
    apc.save(apc.compile(folder / "resnet18.onnx"), folder / "resnet18.apc")
    write_report(folder / "resnet18.html", [folder / "resnet18.apc"])
    return folder


def test_below_five_megabytes(folder: Path) -> None:
    assert (folder / "resnet18.html").stat().st_size < 5_000_000


def test_a_million_instructions(folder: Path, browser: Browser) -> None:
    program = apc.load(folder / "resnet18.apc")
    sizes = [
        (len(tile.instructions), index, number)
        for index, layer in enumerate(program.layers)
        for number, tile in enumerate(layer.tiles)
    ]
    assert sum(size for size, _, _ in sizes) > 1_000_000
    largest, layer, tile = max(sizes)
    with visit(browser, folder / "resnet18.html") as page:
        show(page, "microcode", f"?layer={layer}&tile={tile}")
        grid = page.get_by_role("grid")
        grid.focus()
        page.keyboard.press("End")
        selected = grid.locator("[role=row][aria-selected=true]")
        expect(selected).to_contain_text(f"0x{largest - 1:04x}")
        expect(selected).to_be_in_viewport()
        for index in range(3):
            compare(page, program, index, 0, micro=False)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_screenshots(dark: bool, folder: Path, browser: Browser) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with visit(browser, folder / "resnet18.html", dark=dark) as page:
        for view in VIEWS:
            show(page, view)
            settle(page, view)
            page.screenshot(path=SCREENSHOTS / f"resnet18-{view}-{'dark' if dark else 'light'}.png")
