"""docs/commands.md, from the commands' own help.

python -m apc.report.commands_page docs/commands.md
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from apc.cli import COMMANDS, build_parser, command_modules
from apc.cli.manual import Command, exit_status, paragraphs
from apc.cli.parser import Parser
from apc.files import atomic_write
from apc.report.markdown import table

HEAD = """\
# Commands

Written by `python -m apc.report.commands_page docs/commands.md`; a test compares it with the commands. `apc COMMAND
--help` prints the same on a terminal.

Results go to stdout, everything else to stderr. Tables are as wide as the terminal, or as `COLUMNS` says, and plain
where they are piped; `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` are respected. Steps that take longer than a second show
their progress on a terminal. With `--json`, every command prints one JSON object (docs/json.md). `apc --version` prints
the versions of apc and Python and the platform. Examples run in a folder with the files that they name, one after the
other; the tests run them.
"""

_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
_PAGE = re.compile(r"\bdocs/([\w-]+\.md)")


def commands_page() -> str:
    """The page, with a newline at its end."""
    modules = command_modules()
    subparsers = build_parser(modules).commands()
    parts = [HEAD.strip(), table(("command", "what it does"), [(_link(name), line) for name, line in COMMANDS.items()])]
    for module in modules:
        parts += _section(module, subparsers[module.NAME])
    return "\n\n".join(parts) + "\n"


def _link(name: str) -> str:
    return f"[`apc {name}`](#apc-{name})"


def _section(module: Command, parser: Parser) -> Iterator[str]:
    yield f"## apc {module.NAME}"
    yield f"{module.HELP[:1].upper()}{module.HELP[1:]}."
    yield from (_marked(paragraph) for paragraph in paragraphs(module.DESCRIPTION))
    for title, actions in parser.groups():
        rows = [(_invocation(action), _meaning(action)) for action in actions if action.dest != "help"]
        if rows:
            yield table((title, ""), rows)
    for shows, line in module.EXAMPLES:
        yield f"{shows[:1].upper()}{shows[1:]}:"
        yield f"```sh\n{line}\n```"
    pages = ", ".join(f"[{page}]({page})" for page in module.SEE_ALSO)
    yield f"Exit status {exit_status(module)}" + (f" See also {pages}." if pages else "")


def _invocation(action: argparse.Action) -> str:
    """An argument as it is typed, as code."""
    values = _values(action)
    words = [f"{option} {values}".rstrip() for option in action.option_strings] or [values]
    return ", ".join(f"`{_cell(word)}`" for word in words)


def _values(action: argparse.Action) -> str:
    """What follows an option, or stands for an argument."""
    if action.nargs == 0:
        return ""
    choices = None if action.choices is None else f"{{{','.join(map(str, action.choices))}}}"
    name = str(action.metavar or choices or action.dest)
    return {"?": f"[{name}]", "+": f"{name} ...", "*": f"[{name} ...]"}.get(str(action.nargs), name)


def _meaning(action: argparse.Action) -> str:
    return _cell(_marked((action.help or "") % {"default": action.default}))


def _marked(text: str) -> str:
    """``text`` of a help as Markdown: options are code, pages are links; what is code already stays as it is."""
    parts = text.split("`")
    for number in range(0, len(parts), 2):
        coded = _OPTION.sub(r"`\1`", parts[number])
        parts[number] = _PAGE.sub(r"[\1](\1)", coded)
    return "`".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    with atomic_write(sys.argv[1]) as temporary:
        Path(temporary).write_text(commands_page(), encoding="utf-8", newline="\n")
