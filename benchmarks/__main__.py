"""What apc must reach and what it reaches.

    python -m benchmarks [--quick] [--output DIR] [GROUP ...]

Prints one table a group; a run of all groups also writes results.json and RESULTS.md. Exit status 1 where a limit is
not met.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from apc.cli.console import log, result_console
from apc.errors import ApcError
from benchmarks.groups import GROUPS, ON_REQUEST, description
from benchmarks.processes import CommandError
from benchmarks.report import origin, table, write
from benchmarks.results import Limit, Result
from benchmarks.workload import FULL, QUICK, Workload


def main(arguments: list[str] | None = None) -> int:
    known = ", ".join(GROUPS | ON_REQUEST)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"some of {known} (default: all but {', '.join(ON_REQUEST)})"
    )
    parser.add_argument("--quick", action="store_true", help="a tiny network: does everything run? Nothing is written")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, metavar="DIR", help="where files go")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.groups) - set(GROUPS | ON_REQUEST))
    if unknown:
        parser.error(f"there is no group {', '.join(unknown)}: choose from {known}")

    console = result_console()
    source = origin("python -m benchmarks")
    results: dict[str, list[Result]] = {}
    with tempfile.TemporaryDirectory(prefix="apc-benchmarks-") as folder:
        workload = Workload(QUICK if options.quick else FULL, Path(folder))
        for name in options.groups or GROUPS:
            log(f"measuring {name}")
            results[name] = run_group(name, workload)
            console.print(f"[bold]{name}[/bold]: {description(name)}", soft_wrap=True)
            console.print(table(results[name]))
    if not options.groups and not options.quick:
        write(options.output, results, {name: description(name) for name in results}, source)
        console.print(f"written: {options.output / 'RESULTS.md'}, {options.output / 'results.json'}", soft_wrap=True)
    return 0 if all(result.ok is not False for rows in results.values() for result in rows) else 1


def run_group(name: str, workload: Workload) -> list[Result]:
    """The group's results; where a command of it fails, those so far and one that says so."""
    results = []
    try:
        for result in (GROUPS | ON_REQUEST)[name](workload):
            results.append(result)
    except (CommandError, ApcError) as error:
        log(str(error))
        reason = str(error).splitlines()[-1]
        results.append(Result("failures of the group's commands", 1, "", Limit("==", 0), reason))
    return results


if __name__ == "__main__":
    sys.exit(main())
