"""Wall time and peak memory of commands, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

APC = str(Path(sys.executable).with_name("apc"))
#: Linux hands a parent's peak memory on to what it starts: a small process in between keeps ours out of the figure.
_WATCHER = """
import json, os, sys, time
started = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall_s = time.perf_counter() - started
print()
print(json.dumps([os.waitstatus_to_exitcode(status), wall_s, usage.ru_maxrss]))
"""


class CommandError(RuntimeError):
    """A command did not start, or ended with a status that is not 0; its stderr is in the message."""


@dataclass(frozen=True)
class Usage:
    """Seconds from start to end, the most memory in bytes, and what was printed on stdout."""

    wall_s: float
    peak_bytes: int
    stdout: str


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command (its first word a path) to its end. Raises CommandError where it fails."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _WATCHER, *command],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    stdout, _, last = done.stdout.rstrip("\n").rpartition("\n")
    if done.returncode:
        raise CommandError(f"{command[0]} could not be started: {done.stderr.strip()}")
    status, wall_s, peak_kib = json.loads(last)
    if status:
        raise CommandError(f"{' '.join(command)} ended with status {status}: {done.stderr.strip()}")
    return Usage(wall_s, 1024 * peak_kib, stdout.removesuffix("\n"))
