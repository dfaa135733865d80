"""Pages as what can be run in them: fenced blocks in order, with what the comment above each asks for.

    ```console      lines after "$ " are commands; the lines below each are what it prints (none: not compared)
    ```sh, ```bash  commands; what they print is not compared
    ```python       runs in one namespace a page; with title="F" the block is a file that is written
    ```toml title="F"  likewise
    any other       text, not run

A comment on the line above asks for more: ``<!-- slow -->`` (run by ``-m slow`` only), ``<!-- exit N -->`` (the status
of its last command), ``<!-- numbers vary -->`` (compared without its numbers), ``<!-- prints -->`` (above a text block:
what the Python block before it prints), ``<!-- not run: WHY -->``. A comment that begins with ``<!-- setup`` is Python
that readers do not see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = ("console", "sh", "bash")

_BLOCK = re.compile(
    r"^<!-- setup\n(?P<setup>.*?)^-->$"
    r"|(?:^<!-- (?P<notes>[^\n]*) -->\n)?^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """``line``: its first one in the page, from 1; ``start``, ``stop``: of its text in the page; ``notes``: what the
    comment above says; ``language`` is "setup" for hidden Python."""

    page: Path
    line: int
    start: int
    stop: int
    language: str
    text: str
    title: str
    notes: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether this block is run, written, or compared."""
        if self.notes.startswith("not run: "):
            return False
        return self.language in (*SHELL, "python", "setup") or bool(self.title) or self.prints

    @property
    def slow(self) -> bool:
        return "slow" in self.notes.split(", ")

    @property
    def prints(self) -> bool:
        return "prints" in self.notes.split(", ")

    @property
    def exact(self) -> bool:
        return "numbers vary" not in self.notes

    @property
    def status(self) -> int:
        """What its last command exits with."""
        asked = re.search(r"exit (\d+)", self.notes)
        return int(asked[1]) if asked else 0


@dataclass(frozen=True)
class Command:
    """``line``: to run; ``shown``: as the page shows it, prompt and all; ``output``: the lines that a console block has
    under it."""

    line: str
    shown: str
    output: list[str]


def blocks(page: Path) -> Iterator[Block]:
    """All fenced blocks and setups of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        group = "setup" if match["setup"] is not None else "text"
        start, stop = match.span(group)
        language = "setup" if group == "setup" else match["language"]
        line = text.count("\n", 0, start) + 1
        yield Block(page, line, start, stop, language, match[group], match["title"] or "", match["notes"] or "")


def commands(block: Block) -> list[Command]:
    """The commands of a shell block; a line that ends in a backslash goes on in the next."""
    found: list[Command] = []
    prompt = "$ " if block.language == "console" else ""
    lines = iter(block.text.splitlines())
    for line in lines:
        if line.startswith(prompt) and (prompt or line.split("#")[0].strip()):
            typed, shown = line.removeprefix(prompt), line
            while typed.endswith("\\"):
                line = next(lines)
                typed, shown = typed[:-1] + line.lstrip(), f"{shown}\n{line}"
            found.append(Command(typed, shown, []))
        elif prompt:
            found[-1].output.append(line)
    return found
