"""`apc doctor`: whether apc and what it needs are installed and work."""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apc.doctor.findings import Check, Finding

NAME = "doctor"
HELP = "check that apc and what it needs are installed and work"
DESCRIPTION = """
Checks the installation and prints a line for each finding: ok, warn or FAIL, and under what is not well, what to do
about it. Checked are: the versions of apc, of Python and of every package that apc needs; that `ir`, `backends` and
`simulator` are apc's own packages and not others of the same name; processors, threads, and what the kernels gain by;
Numba's cache of compiled kernels (where it is, its size, whether it is writable or stale); that all presets of targets
load; that the page of `apc report` was built; and that a small network compiles, runs, and equals the reference.

It works where apc itself does not: a package that cannot be imported is a finding. The first run on a machine compiles
kernels and takes up to a minute, later ones some seconds. Attach the output to a report of a defect.
"""
EXAMPLES = (
    ("check everything", "apc doctor"),
    ("for a script", "apc doctor --json"),
)
FAILS_WHEN = "something is broken"
SEE_ALSO = ("json.md",)
_NAME_LETTERS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Checks everything. Returns 0, or 1 where something is broken."""
    found = []
    width = shutil.get_terminal_size((240, 24)).columns
    for item in _findings():
        found.append(item)
        if not args.json:
            print("\n".join(_lines(item, width)), flush=True)
    failed = [item for item in found if item.status == "FAIL"]
    if args.json:  # not by console.emit_json, whose numpy may be what is broken
        rows = [item._asdict() for item in found]
        print(json.dumps({"schema": "apc.doctor/1", "healthy": not failed, "findings": rows}, indent=2))
    else:
        warned = sum(item.status == "warn" for item in found)
        print(f"{len(failed)} broken, {warned} to look at, {len(found) - len(failed) - warned} well")
    return 1 if failed else 0


def _findings() -> Iterator[Finding]:
    from apc.doctor import machine, packages, self_test
    from apc.doctor.findings import findings

    checks: dict[str, Check] = {
        "apc": packages.own_version,
        "own packages": packages.own_packages,
        "dependencies": packages.dependencies,
        "threads": machine.threads,
        "processor": machine.processor,
        "Numba cache": machine.kernel_cache,
        "targets": machine.presets,
        "report page": machine.report_page,
        "self-test": self_test.self_test,
    }
    for name, check in checks.items():
        yield from findings(name, check)


def _lines(item: Finding, width: int) -> Iterator[str]:
    """The finding, and what to do."""
    head = f"{item.status:<4}  {item.name:<{_NAME_LETTERS}}  "
    yield from textwrap.wrap(head + item.text, width, subsequent_indent=" " * len(head), break_on_hyphens=False)
    if item.remedy:
        indent = " " * 6
        yield from textwrap.wrap(f"-> {item.remedy}", width, initial_indent=indent, subsequent_indent=indent + "   ")
