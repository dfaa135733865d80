"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ir.errors import UserError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Gives a temporary file's path, with the suffix of ``path``, and renames it to ``path`` when the block ends.

    When the block raises, the temporary file is removed and ``path`` is left as it was. A symbolic link is
    followed; a device or pipe is written to directly. Raises UserError where ``path`` cannot be written.
    """
    path = Path(path)
    goal = _goal(path)
    if goal.exists() and not goal.is_file():
        yield goal
        return
    temporary = goal.with_name(f".{goal.stem[:64]}.{secrets.token_hex(6)}{goal.suffix}")
    try:
        temporary.open("xb").close()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
    try:
        yield temporary
        os.replace(temporary, goal)
    except OSError as error:
        if error.filename == str(temporary):
            raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(path: str | Path | None, *inputs: str | Path | None) -> None:
    """Raise UserError now where ``atomic_write`` of ``path`` would raise it after the work is done, or where it would
    replace one of the ``inputs`` (what is no file is ignored)."""
    if path is None:
        return
    goal = _goal(path)
    if any(item is not None and Path(item).exists() and Path(item).resolve() == goal for item in inputs):
        raise UserError(f"{path}: is read by this command and would be replaced; name another file to write")
    if not goal.parent.is_dir():
        raise UserError(f"{path}: cannot be written: there is no folder {goal.parent}; create it first")
    if not os.access(goal.parent, os.W_OK):
        raise UserError(f"{path}: cannot be written: the folder {goal.parent} is read-only")


def require_separate(path: Path | None, option: str, other: Path | None, other_option: str) -> None:
    """Raise UserError where two options would write the same file."""
    if path is not None and other is not None and path.resolve() == other.resolve():
        raise UserError(f"{path}: {option} and {other_option} name the same file; name another for one of them")


def _goal(path: str | Path) -> Path:
    """The file that ``path`` names, links followed. Raises UserError for a folder."""
    goal = Path(path).resolve()
    if goal.is_dir():
        raise UserError(f"{path}: is a folder; name a file to write")
    return goal
