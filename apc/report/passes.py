"""docs/passes.md, from the docstrings, options and levels of the passes.

python -m apc.report.passes > docs/passes.md
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

from apc.passes import KNOWN, Passes, choose_passes
from backends.rtm_ap.passes import LAYER_PASSES, LEVELS
from ir.passes.options import options_of, value_text

HEAD = """\
# Passes

Written by `python -m apc.report.passes > docs/passes.md`; a test compares it with the passes.

Passes over the graph run first, in the order in which they are listed. Layer passes are properties of how every layer
is compiled, so their order means nothing; one that is not listed is off. `--passes a,b{option=value}` lists the passes
of a compilation instead of its level's, `--pass-option b.option=value` changes one option of a pass and turns it on.
The program records its passes in the same notation (`apc inspect`), so that what it says can be given back.

What they do to a network can be seen:

- `--print-after PASS` prints the graph after a graph pass; after `tiling`, every layer's candidates with their prices,
  the one that was taken, and why; after any other layer pass, counts of every layer without it and with it.
- `--ablate` compiles again with each pass off in turn, and says what it is worth.
"""


def passes_page() -> str:
    """The page, with a newline at its end."""
    parts = [HEAD, "## Levels", _levels()]
    for name, kind in KNOWN.items():
        where = "layers" if name in LAYER_PASSES else "graph"
        parts += [f"## {name} ({where})", *_section(kind)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _levels() -> str:
    """What each level runs, with the options that differ from the pass's defaults."""
    rows = []
    for name in KNOWN:
        rows.append((f"`{name}`", *(_cell(name, choose_passes(level)) for level in LEVELS)))
    return _table(("pass", *(f"`-{level}`" for level in LEVELS)), rows)


def _cell(name: str, passes: Passes) -> str:
    text = dict(zip(passes.names, passes.texts, strict=True)).get(name)
    if text is None:
        return ""
    changed = text.removeprefix(name).strip("{}")
    return f"`{changed}`" if changed else "on"


def _section(kind: type) -> Iterator[str]:
    """The docstring's paragraphs, each one line; the paragraph that explains the options as a table."""
    meanings = option_meanings(kind)
    for paragraph in _paragraphs(kind):
        if not paragraph.startswith("``"):
            yield paragraph.replace("``", "`")
            continue
        rows = [
            (f"`{option.name}`", meanings[option.name], option.values, f"`{value_text(option.default)}`")
            for option in options_of(kind).values()
        ]
        yield _table(("option", "meaning", "values", "default"), rows)


def option_meanings(kind: type) -> dict[str, str]:
    """What a pass's docstring says of each option, in a paragraph of the form "``a``: ...; ``b``: ..."."""
    text = next((paragraph for paragraph in _paragraphs(kind) if paragraph.startswith("``")), "")
    words = re.split(r"(?:^|; )``(\w+)``: ", text.removesuffix("."))[1:]
    return {name: meaning.replace("``", "`") for name, meaning in zip(words[::2], words[1::2], strict=True)}


def _paragraphs(kind: type) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(kind) or "").split("\n\n")]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    print(passes_page(), end="")
