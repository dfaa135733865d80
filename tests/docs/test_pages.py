"""Every command and snippet of README.md and docs/ runs, and prints what its page shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.common import one_thread
from tests.docs.pages import PAGES, ROOT, SHELL, Block, blocks, commands
from tests.docs.runner import COLUMNS, Session, agrees
from tests.workspace import workspace

LANGUAGES = {*SHELL, "python", "setup", "text", "asm", "toml", "json", "target", "input"}
RUNNING = [page for page in PAGES if any(block.runs for block in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.chdir(workspace(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", COLUMNS)
    monkeypatch.setenv("NO_COLOR", "1")
    return Session(tmp_path)


def check(block: Block, printed: list[str]) -> None:
    """That what a block shows is what it printed."""
    shown = [block.text.splitlines()] if block.prints else [command.output for command in commands(block)]
    for lines, text in zip(shown, printed, strict=True):
        if lines and not agrees(lines, text, block.exact):
            pytest.fail(f"{block}: `python -m tests.docs` renews what pages show. It prints:\n{text}")


def run(page: Path, session: Session, slow: bool) -> None:
    with one_thread():
        for block in blocks(page):
            if block.runs and (slow or not block.slow):
                printed = session.run(block)
                if block.prints or block.language == "console":
                    check(block, printed)
    if page.name in CHECKS:
        CHECKS[page.name](session.names)


def check_nn(names: dict[str, Any]) -> None:
    assert names["accuracy"](names["model"]) > 0.9
    assert names["after"] > names["before"]
    assert names["difference"] == 0


def check_acim(names: dict[str, Any]) -> None:
    array, x, error = names["array"], np.ones((600, 32), int), names["error"]
    assert array.mvm(x).shape == (10, 32) and array.codes(x).shape == array.macs(x).shape == (3, 4, 4, 10, 32)
    assert names["layer"](names["x"]).shape == (2, 16, 8, 8)
    assert 0 < error.noise_variance < error.variance


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {"nn.md": check_nn, "acim.md": check_acim}
"""What else is true of the names that a page leaves."""


@pytest.mark.parametrize("page", RUNNING, ids=name)
def test_a_page_does_what_it_says(page: Path, session: Session) -> None:
    run(page, session, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUNNING if any(block.slow for block in blocks(page))], ids=name)
def test_a_page_does_what_it_says_slow_parts_too(page: Path, session: Session) -> None:
    run(page, session, slow=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_what_it_is(page: Path) -> None:
    """So that no command hides in a block that is not run."""
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block}: fence it as one of {', '.join(sorted(LANGUAGES))}"
        if block.language == "text":
            assert not block.text.startswith(("$ ", "apc ")), f"{block}: a command in a text block"
