"""`apc COMMAND --help` as a manual page: what the command does, its options, examples, and where to read on."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Iterator
from typing import Protocol

WIDEST = 100
"""Letters of a line at most: longer ones are hard to read, however wide the terminal is."""
INDENT = "  "
_CONTINUED = " \\"
"""At the end of a line that goes on in the next, for a shell."""


class Command(Protocol):
    """A module of apc.cli: what `apc` knows of a command. FAILS_WHEN: when it ends with status 1 (empty: never);
    SEE_ALSO: the pages of docs/ that go on where its help ends."""

    NAME: str
    HELP: str
    DESCRIPTION: str
    EXAMPLES: tuple[tuple[str, str], ...]
    FAILS_WHEN: str
    SEE_ALSO: tuple[str, ...]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declares the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Does the work. Returns the exit status."""


def page(command: Command, synopsis: list[str], arguments: list[str], width: int) -> str:
    """The manual page of a command, whose ``synopsis`` and ``arguments`` are lines of ``width`` letters at most."""
    sections = [
        ("NAME", list(_filled([f"apc {command.NAME} - {command.HELP}"], width))),
        ("SYNOPSIS", synopsis),
        ("DESCRIPTION", list(_filled(paragraphs(command.DESCRIPTION), width))),
        ("ARGUMENTS", arguments),
        ("EXAMPLES", list(_examples(command.EXAMPLES, width))),
        ("EXIT STATUS", list(_filled([exit_status(command)], width))),
        ("SEE ALSO", list(_filled([see_also(command)], width))),
    ]
    return "\n".join(_section(heading, lines) for heading, lines in sections if lines)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring-like text (empty lines between them), each on one line."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def exit_status(command: Command) -> str:
    """What the exit status of a command means, in a sentence."""
    middle = f"1: {command.FAILS_WHEN}; " if command.FAILS_WHEN else ""
    return f"0: done; {middle}2: bad input or usage, with one line on stderr that says so; 130: interrupted."


def see_also(command: Command) -> str:
    """The pages of docs/ for a command; empty where there is none."""
    return ", ".join(f"docs/{page}" for page in command.SEE_ALSO)


def _section(heading: str, lines: Iterable[str]) -> str:
    return "\n".join([heading, *((INDENT + line).rstrip() for line in lines), ""])


def _filled(texts: Iterable[str], width: int) -> Iterator[str]:
    """The texts as paragraphs of lines, an empty line between two of them."""
    for number, text in enumerate(texts):
        if number:
            yield ""
        yield from _wrap(text, width - len(INDENT))


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _examples(examples: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """What each shows, and the line to type; where it is too long, in parts that a shell puts together again."""
    for number, (shows, line) in enumerate(examples):
        if number:
            yield ""
        yield from _filled([f"{shows[:1].upper()}{shows[1:]}:"], width)
        parts = _wrap(line, width - 2 * len(INDENT) - len(_CONTINUED))
        yield INDENT + f"{_CONTINUED}\n{3 * INDENT}".join(parts)
