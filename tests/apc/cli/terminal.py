"""A terminal of a given width, for tests of what commands print on one."""

from __future__ import annotations

import io
import re

import pytest

from apc.cli import main

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, width: int, stream: str = "stdout", **environment: str) -> Terminal:
    """Makes ``stream`` a terminal with the environment of one, and returns what is printed there."""
    shown = Terminal()
    monkeypatch.setattr(f"sys.{stream}", shown)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": str(width), **environment}.items():
        monkeypatch.setenv(name, value)
    return shown


def printed(monkeypatch: pytest.MonkeyPatch, width: int, *words: str) -> str:
    """What a command that succeeds prints on a terminal, without colours and spaces at the ends of lines."""
    with monkeypatch.context() as patched:
        shown = terminal(patched, width)
        assert main(list(words)) == 0
    return plain(shown.getvalue())


def plain(text: str) -> str:
    """``text`` without colours and without spaces at the ends of its lines."""
    return "\n".join(line.rstrip() for line in ESCAPES.sub("", text).split("\n"))
