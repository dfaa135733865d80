"""Writes into pages what their commands print now.

    python -m tests.docs [PAGE ...]

Output that is cut short (a line "...") and no longer right is only reported; one that is "?" alone is filled in.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from apc.files import atomic_write
from examples.common import one_thread
from tests.docs.pages import PAGES, Block, blocks, commands
from tests.docs.runner import COLUMNS, Session, agrees
from tests.workspace import workspace

VOLATILE = [
    (re.compile(r"\d+\.\d+ s of simulation"), "... s of simulation"),
    (re.compile(r"(?<=: )[\d,]+ bytes"), "... bytes"),
    (re.compile(r"(?<= in )\d+(?:\.\d+)? s$"), "... s"),
]
"""What is another time in every run."""


def renew(page: Path) -> None:
    """Runs a page in a fresh folder and rewrites it."""
    text, home = page.read_text(encoding="utf-8"), Path.cwd()
    changes: list[tuple[Block, str]] = []
    with tempfile.TemporaryDirectory() as folder, one_thread():
        session = Session(workspace(Path(folder)))
        os.chdir(folder)
        sys.path.insert(0, folder)
        for block in blocks(page):
            if block.runs:
                printed = session.run(block)
                if block.prints or block.language == "console":
                    changes.append((block, renewed(block, printed)))
        os.chdir(home)
        sys.path.remove(folder)
    for block, content in reversed(changes):
        text = text[: block.start] + content + text[block.stop :]
    with atomic_write(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def renewed(block: Block, printed: list[str]) -> str:
    """The block's text with what was printed."""
    if block.prints:
        return _output(block, block.text.splitlines(), printed[0])
    parts = []
    for command, text in zip(commands(block), printed, strict=True):
        parts.append(f"{command.shown}\n{_output(block, command.output, text)}")
    return "".join(parts)


def _output(block: Block, shown: list[str], printed: str) -> str:
    old = "".join(f"{line}\n" for line in shown)
    if not shown or agrees(shown, printed, block.exact):
        return old
    if "..." in shown:
        print(f"{block}: no longer right; it prints\n{printed}")
        return old
    for pattern, replacement in VOLATILE:
        printed = "\n".join(pattern.sub(replacement, line.rstrip()) for line in printed.splitlines())
    return printed.strip("\n") + "\n"


if __name__ == "__main__":
    os.environ.update(COLUMNS=COLUMNS, NO_COLOR="1")
    for path in [Path(argument).resolve() for argument in sys.argv[1:]] or PAGES:
        renew(path)
