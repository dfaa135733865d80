"""The command line: one module a command, imported only when it is the one asked for.

A command module `apc.cli.<name>` has NAME, HELP, `add_arguments(parser)` and `run(args) -> exit status`.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from apc.guard import ShadowedPackageError, check_packages

#: command -> its line in `apc --help`; equal to HELP of its module (a test holds this)
COMMANDS = {
    "compile": "compile an ONNX file or a PyTorch module to an .apc program",
    "quantize": "quantise a float network to a ternary, binary or integer ONNX file",
    "inspect": "show the graph, the adder DAGs or the microcode of a program",
    "run": "simulate a program bit by bit and count cycles and energy",
    "compare": "compare cost and accuracy with crossbars and SRAM arrays, and say what decides",
    "asm": "assemble text to an .apc program",
    "disasm": "print a program as assembly text",
    "targets": "list the hardware targets, or show one with the source of every figure",
}
EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


class _Parser(argparse.ArgumentParser):
    """argparse with one-line errors."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"apc: error: {_one_line(message)} (see `{self.prog} --help`)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit status: 0 done, 1 a check failed, 2 bad input or usage (one line on
    stderr), 130 interrupted, 141 stdout closed early. An exception that escapes is a defect of apc."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        check_packages()
    except ShadowedPackageError as error:
        return _complain(str(error))
    from ir.errors import UserError

    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except UserError as error:
        return _complain(str(error))
    except BrokenPipeError:
        _silence_stdout()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.filename is None and error.errno not in _DISK_ERRORS:
            raise
        reason = error.strerror or str(error)
        return _complain(reason if error.filename is None else f"{error.filename}: {reason}")
    except KeyboardInterrupt:
        print("apc: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _dispatch(arguments: list[str]) -> int:
    parser = _Parser(
        prog="apc",
        description="Compile quantised neural networks for racetrack-memory associative processors and simulate them.",
        epilog="`apc COMMAND --help` explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    module = import_module(f"apc.cli.{chosen}") if chosen in COMMANDS else None
    for name, line in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=line, description=line, allow_abbrev=False)
        if module is not None and name == chosen:
            module.add_arguments(subparser)
    try:
        options = parser.parse_args(arguments)
        if options.version:
            print(f"apc {_version()}")
            return 0
        if module is None:
            parser.error(f"name a command: {', '.join(COMMANDS)}")
    except SystemExit as stop:  # argparse printed help or an error
        return stop.code if isinstance(stop.code, int) else 0
    return int(module.run(options))


def _version() -> str:
    try:
        return version("apc-rtm")
    except PackageNotFoundError:
        return "(not installed: running from a source folder)"


def _complain(message: str) -> int:
    print(f"apc: error: {_one_line(message)}", file=sys.stderr)
    return EXIT_BAD_INPUT


def _one_line(message: str) -> str:
    """``message`` on one line, without characters that a terminal would obey (files may have put them there)."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(message.split()))


def _silence_stdout() -> None:
    """Points stdout at nothing, so that the interpreter's last flush does not fail again."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
