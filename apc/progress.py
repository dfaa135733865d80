"""The progress bar of steps that take longer than a second: of commands, and of calls from Python on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from apc.kernels import announced
from apc.options import Progress, silent

_BAR_WIDTH, _COUNTS_WIDTH = 16, 28
"""Letters of a bar, and those kept for the counts and times after it."""


@contextmanager
def progress(description: str) -> Iterator[Progress]:
    """A progress bar on stderr that vanishes at the end; silent where stderr is not a terminal that can draw one.

    The bar only moves until it is told how much there is to do (a total that is not 0), and then counts, with the time
    that is left. Where the total is 0, the label stands for itself: it is a step before or after the counted ones.
    Kernels that Numba compiles are announced: they take most of a first run.
    """
    printer = Console(stderr=True, highlight=False)
    if not sys.stderr.isatty() or printer.is_dumb_terminal:
        yield silent
        return
    room = max(printer.width - _BAR_WIDTH - _COUNTS_WIDTH - 2, len(description))
    words = TextColumn("{task.description}", table_column=Column(no_wrap=True, max_width=room, overflow="ellipsis"))
    bar = Bar(words, BarColumn(_BAR_WIDTH), _Counts(), console=printer, transient=True)
    shown = _Shown(bar, description)
    with announced(shown.compiling), bar:
        yield shown.update


class _Shown:
    """The one task of a progress bar."""

    def __init__(self, bar: Bar, description: str) -> None:
        bar.add_task(escape(description), total=None, end_s=None)
        self._task = bar.tasks[0]
        self._description = description
        self._begun: tuple[int, int, float] = (0, 0, 0.0)

    def update(self, done: int, total: int, label: str) -> None:
        """A ``Progress``. The time left is what the rest takes at the pace since steps were first counted."""
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
