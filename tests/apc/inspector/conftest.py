"""The digits network in a folder, with a run and a comparison of it; reports of them, and a browser."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from playwright.sync_api import Browser, sync_playwright

import apc
from apc.cli import main
from apc.inspector import write_report
from tests.apc.inspector.browser import launch, missing
from tests.workspace import workspace


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with digits.apc, run.json (eight images, with wear) and compare.json."""
    folder = workspace(tmp_path_factory.mktemp("report"))
    images = np.load(folder / "digits_test.npz")["input"][:8]
    np.savez(folder / "eight.npz", input=images)
    with contextlib.chdir(folder):
        for name, words in {
            "run.json": ["run", "digits.apc", "--input", "eight.npz", "--wear"],
            "compare.json": ["compare", "digits.apc", "--against", "crossbar-isaac", "--top", "1"],
        }.items():
            with contextlib.redirect_stdout(io.StringIO()) as out:
                assert main([*words, "--json"]) == 0
            Path(name).write_text(out.getvalue(), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, where there is one and the page's program has been built."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with sync_playwright() as playwright:
        found = launch(playwright)
        yield found
        found.close()


@pytest.fixture(scope="session")
def page_of_run(digits: Path, browser: Browser) -> Path:
    """The report of the run and the comparison."""
    write_report(digits / "run.html", [digits / "run.json", digits / "compare.json"])
    return digits / "run.html"


@pytest.fixture(scope="session")
def page_of_program(digits: Path, browser: Browser) -> Path:
    """The report of the program alone."""
    write_report(digits / "program.html", [digits / "digits.apc"])
    return digits / "program.html"


@pytest.fixture(scope="session")
def narrow(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with narrow.apc, ResNet-18 with few channels and small images, and the report of it."""
    from examples.drawn import export
    from examples.resnet18 import build

    folder = tmp_path_factory.mktemp("narrow")
    model, crops = build(size=32, width=8, num_classes=10, density=0.2, seed=1)
    proto, _ = export(model, crops, batch=1, seed=1)
    onnx.save(proto, folder / "narrow.onnx")
    apc.save(apc.compile(folder / "narrow.onnx"), folder / "narrow.apc")
    write_report(folder / "narrow.html", [folder / "narrow.apc"])
    return folder
