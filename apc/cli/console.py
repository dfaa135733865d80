"""What commands print: results on stdout, everything else on stderr, progress only to a terminal.

rich honours NO_COLOR by itself. Where stdout is not a terminal, tables keep their natural width.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

_PLAIN_WIDTH = 240


class Update(Protocol):
    """Reports progress: ``done`` of ``total``, and what is being worked on."""

    def __call__(self, done: int, total: int, label: str = "") -> None: ...


class _ResultConsole(Console):
    def on_broken_pipe(self) -> None:
        """Leaves a closed stdout to ``apc.cli.main``, as any other print does."""
        raise BrokenPipeError


def result_console() -> Console:
    """A console on stdout, for a command's result."""
    return _ResultConsole(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)


def log_console() -> Console:
    """A console on stderr, for what is not the result."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)


def log(message: str) -> None:
    """One line on stderr."""
    print(f"apc: {message}", file=sys.stderr)


def warn(message: str) -> None:
    """One warning on stderr."""
    style = "bold yellow" if sys.stderr.isatty() else ""
    log_console().print(Text("apc: warning:", style=style), Text(message), soft_wrap=True)


@contextmanager
def progress(description: str) -> Iterator[Update]:
    """A progress bar on stderr that vanishes at the end; silent where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield _quiet
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=log_console(), transient=True) as bar:
        task = bar.add_task(description, total=None)

        def update(done: int, total: int, label: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{description} {label}".rstrip())

        yield update


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
