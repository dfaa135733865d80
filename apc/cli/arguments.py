"""Arguments that several commands declare alike."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from apc.errors import ApcError
from apc.progress import progress

if TYPE_CHECKING:
    from ir.program import Program


def add_overrides(parser: argparse._ActionsContainer) -> None:
    """``--set KEY=VALUE``, any number of times: ``overrides`` for ``backends.target.load_target``."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a figure of the target; may be repeated",
    )


def load_program(path: Path) -> Program:
    """The program of an .apc file, with progress: large ones take a second. Raises UserError for anything else."""
    from apc import artifact

    with progress(f"loading {path.name}"):
        return artifact.load(path)


def parse_range(text: str, count: int) -> tuple[int, int]:
    """``A:B`` as (A, B), at most the ``count`` instructions of a tile. Raises UserError for what is not within it."""
    first, colon, last = text.partition(":")
    try:
        start, stop = int(first or "0", 0), int(last, 0) if last else count
    except ValueError as error:
        raise ApcError(f"--range {text}: write A:B with two numbers, such as 0:100 or 0x40:0x80") from error
    if not colon or not 0 <= start < stop or start >= count:
        raise ApcError(f"--range {text}: must lie within the tile's instructions, 0:{count}, and not be empty")
    return start, min(stop, count)
