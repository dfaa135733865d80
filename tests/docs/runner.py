"""Runs a page: its blocks in order, in one folder and one Python namespace."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from apc.cli import main
from tests.docs.pages import SHELL, Block, commands

COLUMNS = "100"
"""Width of what pages show."""
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


class PageError(AssertionError):
    """A block does not do what its page says."""


class Session:
    """``names``: of the page's Python; ``printed``: what its last Python block printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "page"}
        self.printed = ""

    def run(self, block: Block) -> list[str]:
        """Runs a block; returns what each of its commands (or the Python before a ``prints`` block) printed. Raises
        ``PageError`` where a status is not what the block says."""
        if block.title:
            (self.folder / block.title).write_text(block.text, encoding="utf-8")
            return []
        if block.prints:
            return [self.printed]
        if block.language in SHELL:
            return self._commands(block)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(block.page), "exec", dont_inherit=True), self.names)
        self.printed = printed.getvalue()
        return []

    def _commands(self, block: Block) -> list[str]:
        printed, typed = [], commands(block)
        for number, command in enumerate(typed):
            status, text = shell(command.line)
            printed.append(text)
            expected = block.status if number == len(typed) - 1 else 0
            if status != expected:
                raise PageError(f"{block}: `{command.line}` exited with {status}, not {expected}:\n{text}")
        return printed


def shell(line: str) -> tuple[int, str]:
    """(status, what it prints) of a line of shell. `apc` commands at the beginning run in this process, which spares
    them the start of Python; everything from a pipe on runs in bash."""
    text = ""
    for part in _split(line, "&&"):
        head, *pipe = _split(part, "|")
        head, *target = _split(head, ">")
        words = shlex.split(head, comments=True)
        if words[:1] == ["apc"] and not any("2>" in word for word in words):
            status, out, errors = _apc(words[1:])
            if target:
                Path(target[0].strip()).write_text(out, encoding="utf-8")
                out = ""
            if pipe and not status:
                status, out = _bash(" | ".join(pipe), out)
            text += out + errors
        else:
            status, out = _bash(part, "")
            text += out
        if status:
            return status, text
    return 0, text


def _split(line: str, mark: str) -> list[str]:
    """The parts between ``mark`` where it is a word of its own, outside quotes."""
    return re.split(rf""" {re.escape(mark)} (?=(?:[^'"]|'[^']*'|"[^"]*")*$)""", line)


def _apc(arguments: list[str]) -> tuple[int, str, str]:
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        status = main(arguments)
    return status, out.getvalue(), errors.getvalue()


def _bash(line: str, given: str) -> tuple[int, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    return done.returncode, done.stdout


def agrees(shown: list[str], printed: str, exact: bool) -> bool:
    """Whether ``shown`` is what was ``printed``: "..." stands for anything in a line, and alone for any lines; blank
    lines and space at the ends of lines do not count. Unless ``exact``, all numbers are alike, and so is the space
    that aligns them."""
    found = _plain(printed.splitlines(), exact)
    places = {0}  # how many lines of what was printed may be accounted for so far
    for line in _plain(shown, exact):
        if line == "...":
            places = set(range(min(places, default=len(found) + 1), len(found) + 1))
        else:
            pattern = re.compile(".*?".join(map(re.escape, line.split("..."))))
            places = {place + 1 for place in places if place < len(found) and pattern.fullmatch(found[place])}
    return len(found) in places


def _plain(lines: list[str], exact: bool) -> list[str]:
    kept = [line.rstrip() for line in lines if line.strip()]
    if exact:
        return kept
    return [re.sub(r"[─━═█▉▊▋▌▍▎▏]+", "", " ".join(_NUMBER.sub("0", line).split())) for line in kept]
