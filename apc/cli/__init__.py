"""The command line: one module a command, imported only when it is the one asked for.

A command module `apc.cli.<name>` is an `apc.cli.manual.Command`: it has NAME, HELP (its line in `apc --help`),
DESCRIPTION (a few paragraphs: what it does, prints and writes), EXAMPLES (what each shows, and the line to type),
FAILS_WHEN (when its exit status is 1), SEE_ALSO (pages of docs/), `add_arguments(parser)` and `run(args) -> exit
status`. Its help and docs/commands.md are made of these.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

from apc.cli.manual import Command
from apc.cli.parser import EXIT_BAD_INPUT, Parser, one_line
from apc.guard import ShadowedPackageError, check_packages
from apc.version import installed_version

#: command -> its line in `apc --help`; equal to HELP of its module (a test holds this)
COMMANDS = {
    "compile": "compile an ONNX file or a PyTorch module to an .apc program",
    "quantize": "quantise a float network to a ternary, binary or integer ONNX file",
    "inspect": "show a compiled program: summary, layers, microcode, histograms, graphs",
    "explain": "say how one output value is computed, addition by addition",
    "run": "simulate a program bit by bit and count cycles and energy",
    "compare": "compare cost and accuracy with crossbars and SRAM arrays, and say what decides",
    "diff": "say what differs between two programs, layer by layer",
    "report": "write one HTML page that shows a program, a run or a comparison",
    "asm": "assemble text to an .apc program",
    "disasm": "print a program as assembly text",
    "targets": "list the hardware targets, or show one with the source of every figure",
    "doctor": "check that apc and what it needs are installed and work",
    "completion": "print a script that completes apc's commands and options in a shell",
}
EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 130, 141
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit status: 0 done, 1 a check failed, 2 bad input or usage (one line on
    stderr), 130 interrupted, 141 stdout closed early. An exception that escapes is a defect of apc."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        mistakes = _mistakes(arguments)
    except ShadowedPackageError as error:
        return _complain(f"{error} (`apc doctor` says more)")
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except mistakes as error:
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


def _mistakes(arguments: list[str]) -> tuple[type[Exception], ...]:
    """What commands raise for a mistake of the user. Raises ShadowedPackageError; but `apc doctor` works where another
    package hides one of apc's, and raises nothing."""
    if arguments[:1] == ["doctor"]:
        return ()
    check_packages()
    from ir.errors import UserError

    return (UserError,)


def _dispatch(arguments: list[str]) -> int:
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    module = _module(chosen) if chosen in COMMANDS else None
    parser = build_parser([] if module is None else [module])
    try:
        options = parser.parse_args(arguments)
        if options.version:
            print(_version())
            return 0
        if module is None:
            parser.error(f"name a command: {', '.join(COMMANDS)}")
    except SystemExit as stop:  # argparse printed help or an error
        return stop.code if isinstance(stop.code, int) else 0
    return int(module.run(options))


def command_modules() -> list[Command]:
    """Every command's module, in the order of COMMANDS: completion and docs/commands.md are made of all."""
    return [_module(name) for name in COMMANDS]


def _module(name: str) -> Command:
    module: Command = import_module(f"apc.cli.{name}")
    return module


def build_parser(modules: Iterable[Command]) -> Parser:
    """The parser of `apc`; of its commands, those of ``modules`` know their arguments."""
    parser = Parser(
        prog="apc",
        description="Compile quantised neural networks for racetrack-memory associative processors and simulate them.",
        epilog="`apc COMMAND --help` is a command's manual page. `apc doctor` checks the installation.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="store_true", help="print the versions of apc and Python, and exit")
    known = {module.NAME: module for module in modules}
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=Parser)
    for name, line in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=line, description=line, allow_abbrev=False)
        if name in known:
            subparser.command = known[name]
            known[name].add_arguments(subparser)
    return parser


def _version() -> str:
    own = installed_version() or "(not installed: running from a source folder)"
    return f"apc {own}, Python {platform.python_version()}, {platform.platform()}"


def _complain(message: str) -> int:
    print(f"apc: error: {one_line(message)}", file=sys.stderr)
    return EXIT_BAD_INPUT


def _silence_stdout() -> None:
    """Points stdout at nothing, so that the interpreter's last flush does not fail again."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
