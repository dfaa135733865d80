"""The results as a table, as JSON and as a page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich import box
from rich.table import Table

from apc.files import atomic_write
from benchmarks.results import Result

PACKAGES = ("apc-rtm", "numpy", "numba", "torch", "onnx", "onnxruntime")
VERDICTS = {True: "ok", False: "NOT MET", None: ""}


@dataclass(frozen=True)
class Origin:
    """Where numbers come from."""

    command: str
    date: str
    machine: str
    load_average: float
    versions: dict[str, str]


def origin(command: str) -> Origin:
    """This machine, now. ``load_average``: runnable processes of the last minute, before the measurements."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return Origin(
        command=command,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}",
        load_average=round(os.getloadavg()[0], 2),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    )


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def table(results: Sequence[Result]) -> Table:
    """For a terminal."""
    shown = Table(box=box.SIMPLE_HEAD)
    shown.add_column("measure", overflow="fold")
    shown.add_column("to reach", justify="right")
    shown.add_column("measured", justify="right")
    shown.add_column("")
    shown.add_column("note", overflow="fold")
    for result in results:
        style = "bold red" if result.ok is False else ""
        shown.add_row(result.measure, result.to_reach, result.measured, VERDICTS[result.ok], result.note, style=style)
    return shown


def to_json(groups: Mapping[str, Sequence[Result]], source: Origin) -> str:
    """{origin fields, "groups": {name: [{measure, value, unit, limit, note, ok}]}}"""
    listed = {name: [{**asdict(result), "ok": result.ok} for result in rows] for name, rows in groups.items()}
    return json.dumps({**asdict(source), "groups": listed}, indent=2) + "\n"


def to_markdown(groups: Mapping[str, Sequence[Result]], descriptions: Mapping[str, str], source: Origin) -> str:
    """The page benchmarks/RESULTS.md."""
    lines = [
        "# Benchmark results",
        "",
        f"Written by `{source.command}` on {source.date}; `results.json` holds the same numbers.",
        "",
        f"- Machine: {source.machine}; load average before the start: {source.load_average}",
        f"- Versions: {', '.join(f'{name} {number}' for name, number in source.versions.items())}",
        "- Network, unless a row says otherwise: ResNet-18 at 224x224 (`examples/resnet18.py`), ternary weights of "
        "density 0.2,",
        "  4-bit activations, int8 stem and classifier, compiled at -O0 (group `levels` has the others); inputs are",
        "  crops of scikit-learn's two photos",
        "- Every ratio is to a peer measured in turns with it in the same run: the median of the pairs' ratios",
    ]
    for name, results in groups.items():
        lines += ["", f"## {name}", "", descriptions[name], ""]
        lines += ["| measure | to reach | measured | | note |", "|---|---:|---:|---|---|"]
        lines += [
            f"| {result.measure} | {result.to_reach} | {result.measured} | {VERDICTS[result.ok]} | {result.note} |"
            for result in results
        ]
    return "\n".join(lines) + "\n"


def write(
    folder: Path, groups: Mapping[str, Sequence[Result]], descriptions: Mapping[str, str], source: Origin
) -> None:
    """results.json and RESULTS.md, each whole or not at all."""
    for name, text in (
        ("results.json", to_json(groups, source)),
        ("RESULTS.md", to_markdown(groups, descriptions, source)),
    ):
        with atomic_write(folder / name) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")
