"""What commands print: results on stdout, everything else on stderr, progress only to a terminal.

rich honours NO_COLOR, FORCE_COLOR and TERM=dumb by itself. Tables are as wide as COLUMNS says, else as the terminal;
where stdout is not one, they keep their natural width.
"""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

import numpy as np
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from apc.cli.kernels import announced

_PLAIN_WIDTH = 240
_LEAST_WIDTH = 40
_UNIT_GAP, _UNBROKEN = re.compile(r"(?<=\d) (?=[a-zA-Z]{1,2}\b)"), "\N{NO-BREAK SPACE}"
_BAR_WIDTH, _COUNTS_WIDTH = 16, 28
"""Letters of a progress bar, and those kept for the counts and times after it."""


class Update(Protocol):
    """Reports progress: ``done`` of ``total``, and what is being worked on."""

    def __call__(self, done: int, total: int, label: str = "") -> None: ...


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


@contextmanager
def progress(description: str) -> Iterator[Update]:
    """A progress bar on stderr that vanishes at the end; silent where stderr is not a terminal that can draw one.

    The bar only moves until ``Update`` says how much there is to do (a total that is not 0), and then counts, with the
    time that is left. Where the total is 0, the label stands for itself: it is a step before or after the counted ones.
    Kernels that Numba compiles are announced: they take most of a first run.
    """
    printer = log_console()
    if not sys.stderr.isatty() or printer.is_dumb_terminal:
        yield _quiet
        return
    room = max(printer.width - _BAR_WIDTH - _COUNTS_WIDTH - 2, len(description))
    words = TextColumn("{task.description}", table_column=Column(no_wrap=True, max_width=room, overflow="ellipsis"))
    bar = Progress(words, BarColumn(_BAR_WIDTH), _Counts(), console=printer, transient=True)
    shown = _Shown(bar, description)
    with announced(shown.compiling), bar:
        yield shown.update


class _Shown:
    """The one task of a progress bar."""

    def __init__(self, bar: Progress, description: str) -> None:
        bar.add_task(escape(description), total=None, end_s=None)
        self._task = bar.tasks[0]
        self._description = description
        self._begun: tuple[int, int, float] = (0, 0, 0.0)

    def update(self, done: int, total: int, label: str = "") -> None:
        """An ``Update``. The time left is what the rest takes at the pace since steps were first counted."""
        task, now = self._task, self._task.get_time()
        if total != self._begun[0]:
            self._begun = (total, done, now)
        _, first, begun_s = self._begun
        task.total, task.completed = total or None, done
        task.fields["end_s"] = now + (now - begun_s) * (total - done) / (done - first) if done > first else None
        task.description = escape(f"{self._description} {label}".rstrip() if total else label or self._description)

    def compiling(self) -> None:
        """Says that a kernel is being compiled, until the next update."""
        self._task.description = "compiling kernels (only once)"


class _Counts(ProgressColumn):
    """12/31, the time since the start, and the time left where it can be told: "12/31  0:07  0:11 left"."""

    def render(self, task: Task) -> Text:
        parts = [] if task.total is None else [f"{task.completed:.0f}/{task.total:.0f}"]
        parts.append(clock(task.elapsed or 0.0))
        end_s = task.fields["end_s"]
        if end_s is not None:
            parts.append(f"{clock(max(end_s - task.get_time(), 0.0))} left")
        return Text("  ".join(parts), no_wrap=True)


def clock(seconds: float) -> str:
    """Minutes and seconds, after hours where there are any: 0:07, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def emit_json(schema: str, payload: Mapping[str, Any]) -> None:
    """Prints one JSON object on stdout: ``payload`` after ``"schema": schema`` ("apc.<command>/1").

    numpy scalars and arrays become numbers and lists. NaN and infinities raise ValueError: they are not JSON.
    """
    text = json.dumps({"schema": schema, **payload}, indent=2, allow_nan=False, default=_plain)
    sys.stdout.write(text + "\n")


def _quiet(done: int, total: int, label: str = "") -> None:
    return


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
