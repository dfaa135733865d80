"""What the studies share: their command line, tables that are printed and kept as CSV, figures kept as SVG."""

from __future__ import annotations

import argparse
import csv
import io
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from examples.common import CACHE, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """What a study is asked for. ``quick``: few points on small networks that are hardly trained; ``images`` and
    ``seeds``: of a point, where a study measures accuracy; ``workers``: processes that measure it; ``networks``: their
    names, where a study has a choice."""

    output: Path
    cache: Path
    quick: bool
    images: int
    seeds: int
    workers: int
    networks: tuple[str, ...] = ()

    def pick(self, full: Sequence[Any], quick: Sequence[Any]) -> Sequence[Any]:
        return quick if self.quick else full


@dataclass(frozen=True)
class Table:
    """``rows`` of values under ``columns``. Column names end in their unit, where they have one."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def text(self) -> str:
        """For people: aligned columns."""
        cells = [list(self.columns), *([_shown(value) for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)

    def save(self, path: Path) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([f"{value:.9g}" if isinstance(value, float) else value for value in row] for row in self.rows)
        write_whole(path, lambda temporary: temporary.write_text(text.getvalue(), encoding="utf-8"))

    def select(self, **wanted: Any) -> Table:
        """The rows that have these values in these columns."""
        places = {self.columns.index(name): value for name, value in wanted.items()}
        rows = [row for row in self.rows if all(row[place] == value for place, value in places.items())]
        return Table(self.columns, rows)

    def column(self, name: str) -> list[Any]:
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def run_study(
    name: str,
    description: str,
    study: Callable[[Study], None],
    *,
    images: int = 0,
    seeds: int = 0,
    networks: tuple[str, ...] = (),
) -> None:
    """Read the command line, run ``study``, and say where its files are. ``images``, ``seeds``: defaults; 0: the study
    has no such thing; ``networks``: those that it has, of which the user may choose one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=CACHE / "studies" / name, metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="few points on networks that are hardly trained")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where trained networks are kept")
    parser.set_defaults(images=images, seeds=seeds, workers=1, network=None)
    if images:
        cores = len(os.sched_getaffinity(0))
        parser.add_argument(
            "--workers", type=count, default=cores, help="processes (default: as many as there are cores)"
        )
        parser.add_argument("--images", type=count, help=f"test images of a point (default: {images})")
    if seeds:
        parser.add_argument("--seeds", type=count, help=f"arrays programmed for a point (default: {seeds})")
    if networks:
        parser.add_argument("--network", choices=networks, help="one of them (default: all)")
    args = parser.parse_args()
    start = time.perf_counter()
    chosen = (args.network,) if args.network else networks
    study(Study(args.output, args.cache, args.quick, args.images, args.seeds, args.workers, chosen))
    files = ", ".join(sorted(path.name for path in args.output.iterdir()))
    print(f"{args.output}: {files}; {time.perf_counter() - start:.0f} s")


def count(text: str) -> int:
    """A number of things on the command line: at least one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is too few: at least 1 is needed")
    return value


def in_processes(work: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int) -> list[T]:
    """``work(*job)`` of every job, in ``workers`` processes of one thread each; ``work`` is a module's function."""
    if workers == 1:
        return [work(*job) for job in jobs]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_one_thread) as pool:
        return list(pool.map(work, *zip(*jobs, strict=True)))


def _one_thread() -> None:
    import numba
    import torch

    torch.set_num_threads(1)
    numba.set_num_threads(1)


def panels(count: int, rows: int = 1, *, width: float = 4.2, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` axes in ``rows`` rows; sizes of one in inches."""
    from matplotlib.figure import Figure

    columns = -(-count // rows)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def save_figure(figure: Figure, path: Path) -> None:
    """As SVG, the same bytes for the same figure."""
    import matplotlib

    def write(temporary: Path) -> None:
        figure.savefig(temporary, format="svg", metadata={"Date": None})

    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        write_whole(path, write)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
