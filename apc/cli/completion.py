"""`apc completion`: a script that completes commands, options, files and names of presets in a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from apc.cli.parser import Parser

NAME = "completion"
HELP = "print a script that completes apc's commands and options in a shell"
DESCRIPTION = """
Prints a script for bash, zsh or tcsh that completes commands, options and their choices, files, and the names of
targets, of fault presets and of compiler passes. The script is static: it starts no Python when the tab key is pressed.
Print it again after an update of apc.

bash: put it into ~/.local/share/bash-completion/completions/apc. zsh: into a folder of $fpath, as _apc. tcsh: into a
file that ~/.tcshrc sources.
"""
EXAMPLES = (
    ("for bash, in the shell that is open", "apc completion bash > apc-completion.bash"),
    ("for zsh", "apc completion zsh > _apc"),
)
FAILS_WHEN = ""
SEE_ALSO = ()
SHELLS = ("bash", "zsh", "tcsh")
_LISTS = {
    ("compile", "--target"): "processors",
    ("compare", "--target"): "processors",
    ("compare", "--against"): "arrays",
    ("targets", "target"): "targets",
    ("run", "--faults"): "faults",
    ("compile", "--print-after"): "passes",
}
"""(command, argument) that takes a name from a list, and of which list; where it is not a pass, or a file."""
_FILES = {("compile", "model"), ("quantize", "model"), ("compare", "model")}
"""(command, argument) that takes a file or something else; others that take a file are known by their type."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that the script is for")


def run(args: argparse.Namespace) -> int:
    """Prints the script. Returns 0."""
    sys.stdout.write(script(args.shell))
    return 0


def script(shell: str) -> str:
    """The completion script of a shell of SHELLS, with a newline at its end."""
    import shtab

    from apc.cli import build_parser, command_modules

    parser = build_parser(command_modules())
    names = _names()
    for command, action in _actions(parser):
        listed = [_LISTS[command, word] for word in (action.dest, *action.option_strings) if (command, word) in _LISTS]
        if listed:
            action.choices = [*names[listed[0]], *(shtab.Optional.FILE if listed[0] != "passes" else [])]
        elif action.type is Path or (command, action.dest) in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's way of saying so
    return str(shtab.complete(parser, shell=shell)).rstrip() + "\n"


def _actions(parser: Parser) -> Iterator[tuple[str, argparse.Action]]:
    """(command, argument) of every argument of every command."""
    for command, subparser in parser.commands().items():
        yield from ((command, action) for _, actions in subparser.groups() for action in actions)


def _names() -> dict[str, list[str]]:
    """The lists of names that _LISTS names."""
    from apc.fault_file import fault_preset_names
    from apc.passes import KNOWN
    from apc.target_files import ARRAYS, TARGETS, names_of
    from backends.target import preset_names

    return {
        "processors": preset_names(),
        "arrays": names_of(ARRAYS),
        "targets": names_of(TARGETS),
        "faults": fault_preset_names(),
        "passes": [*KNOWN, "all"],
    }
