"""What commands print: results on stdout, everything else on stderr (progress: apc/progress.py).

rich honours NO_COLOR, FORCE_COLOR and TERM=dumb by itself. Tables are as wide as COLUMNS says, else as the terminal;
where stdout is not one, they keep their natural width.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import numpy as np
from rich.console import Console, RenderableType
from rich.text import Text

_PLAIN_WIDTH = 240
_LEAST_WIDTH = 40
_UNIT_GAP, _UNBROKEN = re.compile(r"(?<=\d) (?=[a-zA-Z]{1,2}\b)"), "\N{NO-BREAK SPACE}"


class _ResultConsole(Console):
    def on_broken_pipe(self) -> None:
        """Leaves a closed stdout to ``apc.cli.main``, as any other print does."""
        raise BrokenPipeError


def result_console() -> Console:
    """A console on stdout, for a command's result."""
    return _ResultConsole(highlight=False, width=_width(sys.stdout))


def log_console() -> Console:
    """A console on stderr, for what is not the result."""
    return Console(stderr=True, highlight=False, width=_width(sys.stderr))


def _width(stream: TextIO) -> int | None:
    """Letters of a line; None: as many as the terminal has."""
    if _columns():
        return max(_columns(), _LEAST_WIDTH)
    return None if stream.isatty() else _PLAIN_WIDTH


def line_width() -> int | None:
    """Letters of a line of the result: of the terminal, or what COLUMNS says; None where nothing limits it."""
    return result_console().width if sys.stdout.isatty() or _columns() else None


def _columns() -> int:
    """What COLUMNS says; 0: nothing."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else 0


def show(items: Iterable[RenderableType]) -> None:
    """Prints a command's result: tables, with an empty line around each, and lines, which are broken between words to
    fit the terminal (or COLUMNS), and not at all where there is none."""
    printer = result_console()
    below = True
    for item in items:
        if isinstance(item, str):
            show_line(item, 2)
            below = False
        else:
            if not below:
                printer.print()
            printer.print(item, markup=False)
            printer.print()
            below = True


def show_line(line: str, indent: int) -> None:
    """Prints one line; where it does not fit, the next ones start ``indent`` letters further in."""
    fits = sys.stdout.isatty() or _columns()
    sys.stdout.write((wrapped(line, result_console().width, indent) if fits else line) + "\n")


def wrapped(line: str, width: int, further: int = 2) -> str:
    """``line`` in lines of at most ``width`` letters, all but the first indented as it is and ``further``; words and
    names stay whole, and a number stays with its unit."""
    indent = line[: len(line) - len(line.lstrip())] + " " * further
    line = _UNIT_GAP.sub(_UNBROKEN, line)
    text = textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return text.replace(_UNBROKEN, " ")


def log(message: str) -> None:
    """One line on stderr."""
    print(f"apc: {message}", file=sys.stderr)


def warn(message: str) -> None:
    """One warning on stderr."""
    log_console().print(Text("apc: warning:", style="bold yellow"), Text(message), soft_wrap=True)


def emit_json(schema: str, payload: Mapping[str, Any]) -> None:
    """Prints one JSON object on stdout: ``payload`` after ``"schema": schema`` ("apc.<command>/1").

    numpy scalars and arrays become numbers and lists. NaN and infinities raise ValueError: they are not JSON.
    """
    text = json.dumps({"schema": schema, **payload}, indent=2, allow_nan=False, default=_plain)
    sys.stdout.write(text + "\n")


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
