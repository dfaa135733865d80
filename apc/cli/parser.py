"""argparse with one-line errors, and with a manual page for the help of a command."""

from __future__ import annotations

import argparse
import shutil
from typing import NoReturn

from apc.cli import manual

EXIT_BAD_INPUT = 2


class Parser(argparse.ArgumentParser):
    """The parser of `apc` (``command`` is None: argparse's help) or of one of its commands."""

    command: manual.Command | None = None

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"apc: error: {one_line(message)} (see `{self.prog} --help`)\n")

    def format_help(self) -> str:
        """The page, as wide as the terminal and at most manual.WIDEST letters."""
        if self.command is None:
            return super().format_help()
        width = min(shutil.get_terminal_size().columns, manual.WIDEST)
        return manual.page(self.command, self._synopsis(width), self._arguments(width), width)

    def groups(self) -> list[tuple[str, list[argparse.Action]]]:
        """The arguments as the help shows them: heading and arguments of every group that has any."""
        groups = [(group.title or "", group._group_actions) for group in self._action_groups]
        return [(title, actions) for title, actions in groups if actions]

    def commands(self) -> dict[str, Parser]:
        """The parsers of the commands, by name."""
        tables = (action.choices for action in self._actions if isinstance(action, argparse._SubParsersAction))
        return {name: parser for table in tables for name, parser in table.items()}

    def _synopsis(self, width: int) -> list[str]:
        formatter = self._formatter(width)
        formatter.add_usage(None, self._actions, self._mutually_exclusive_groups, prefix="")
        return formatter.format_help().strip().splitlines()

    def _arguments(self, width: int) -> list[str]:
        formatter = self._formatter(width)
        for title, actions in self.groups():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        return formatter.format_help().rstrip().splitlines()

    def _formatter(self, width: int) -> argparse.HelpFormatter:
        return argparse.HelpFormatter(self.prog, width=width - len(manual.INDENT), max_help_position=26)


def one_line(message: str) -> str:
    """``message`` on one line, without characters that a terminal would obey (files may have put them there)."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(message.split()))
