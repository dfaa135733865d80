"""Arguments that several commands declare alike."""

from __future__ import annotations

import argparse


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``--set KEY=VALUE``, any number of times: ``overrides`` for ``backends.target.load_target``."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a figure of the target; may be repeated",
    )
