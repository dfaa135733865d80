"""The manual page of every command, and docs/commands.md, which is made of the same."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from apc.cli import COMMANDS, command_modules, main
from apc.cli.manual import WIDEST, paragraphs
from apc.report.commands_page import commands_page

DOCS = Path(__file__).parents[3] / "docs"
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "ARGUMENTS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"]
MODULES = {module.NAME: module for module in command_modules()}


def page(name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main([name, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [72, 80, 300])
@pytest.mark.parametrize("name", COMMANDS)
def test_pages_fit_their_terminal(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(name, width, monkeypatch, capsys)
    assert max(map(len, text.splitlines())) <= min(width, WIDEST)
    expected = SECTIONS if MODULES[name].SEE_ALSO else SECTIONS[:-1]
    assert [line for line in text.splitlines() if line and line[0] != " "] == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_pages_say_everything(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = page(name, 80, monkeypatch, capsys)
    words = " ".join(text.split())
    assert all(paragraph in words for paragraph in paragraphs(MODULES[name].DESCRIPTION))
    copied = text.replace("\\\n", "")  # as a shell reads the examples
    for shows, line in MODULES[name].EXAMPLES:
        assert any(shlex.split(typed) == shlex.split(line) for typed in copied.splitlines() if typed[:8] == "    apc ")
        assert f"{shows[0].upper()}{shows[1:]}:" in words
    if MODULES[name].FAILS_WHEN:
        assert f"1: {MODULES[name].FAILS_WHEN};" in words


def test_every_page_of_see_also_is_there() -> None:
    assert not [page for module in MODULES.values() for page in module.SEE_ALSO if not (DOCS / page).exists()]


def test_the_page_of_the_commands_is_current() -> None:
    """`python -m apc.report.commands_page docs/commands.md` renews it. tests/docs runs its examples."""
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == commands_page()


def test_the_page_of_the_commands_has_every_option_and_example() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    for name, module in MODULES.items():
        section = text.split(f"\n## apc {name}\n")[1].split("\n## apc ")[0]
        source = Path(str(vars(module)["__file__"])).read_text(encoding="utf-8")
        options = re.findall(r'add_argument\(\s*(?:"-\w", )?"(--[\w-]+)"', source)
        assert [option for option in options if f"`{option}" not in section] == []
        assert all(f"\n{line}\n" in section for _, line in module.EXAMPLES)
