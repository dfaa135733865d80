"""docs/passes.md, from the docstrings, options and levels of the passes, and what they do to examples.

python -m apc.report.passes > docs/passes.md
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping

from apc.passes import KNOWN, Passes, choose_passes
from apc.report.markdown import table
from apc.report.pass_examples import ENERGY, EXAMPLES, TARGET, Equations, Example, Outcome, listing, outcome
from apc.report.units import with_unit
from backends.rtm_ap.passes import LAYER_PASSES, LEVELS, Tiling
from ir.passes.options import as_text, options_of, value_text

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
- `--ablate` compiles again with each pass off in turn, and says what it is worth: its `ratio` is the energy without
  the pass over that with all of them.

Prices are those of a sample: a few groups of a layer's first tile, extrapolated, without gathering, moving and leakage.
Without `tiling`, an `auto` of `row-sums` or `widths` means always, and `placement` takes the cheaper of its two ways.
"""
EXAMPLES_HEAD = f"""\
Every pass below has an example that is small enough to read, compiled for `{TARGET}` without the pass and with it.
Listings show the part of the instructions (docs/assembly.md) that matters, with the exact search and write passes,
shift steps and encoded bits of each; `cN.dM:W` is a field of W bits from column N and domain M on, `s` where it is
signed, `x` where it lies across columns. Tables count the whole program for one image, columns up to the last one in
use; written bits and energy are estimates. So small a layer shows what a pass does; what it is worth to a network,
`--ablate` shows.
"""


def passes_page() -> str:
    """The page, with a newline at its end."""
    parts = [HEAD, EXAMPLES_HEAD, "## Levels", _levels()]
    for name, kind in KNOWN.items():
        where = "layers" if name in LAYER_PASSES else "graph"
        parts += [f"## {name} ({where})", *_section(kind), *_example(EXAMPLES[name])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _levels() -> str:
    """What each level runs, with the options that differ from the pass's defaults."""
    rows = []
    for name in KNOWN:
        rows.append((f"`{name}`", *(_cell(name, choose_passes(level)) for level in LEVELS)))
    return table(("pass", *(f"`-{level}`" for level in LEVELS)), rows)


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
        yield table(("option", "meaning", "values", "default"), rows)


def _example(example: Example) -> Iterator[str]:
    """What the pass does: the network, its instructions or graph without the pass and with it, and what both cost."""
    off, on = outcome(example, on=False), outcome(example, on=True)
    beside = f" beside `{','.join(map(as_text, example.base))}`" if example.base else ""
    yield f"### Example: `{as_text(example.item)}`{beside}"
    if isinstance(example.network, Equations):
        yield _block(str(example.network))
    for title, result in (("Without it:", off), ("With it:", on)):
        yield title
        yield _block(_shown(example, result))
    if isinstance(example.item, Tiling):
        yield "Its decision, as `--print-after tiling` prints it:"
        yield _block(on.decisions)
    yield _figures(off.figures, on.figures)


def _shown(example: Example, result: Outcome) -> str:
    """What the pass changes: instructions, or the graph."""
    if isinstance(example.network, Equations):
        return "\n".join(listing(result.program, example.phase))
    return result.program.graph_text


def _figures(off: Mapping[str, float], on: Mapping[str, float]) -> str:
    """What an example costs without a pass and with it, and the change where there is one."""
    rows = [
        (title, *(with_unit(value, "J") if key == ENERGY else f"{value:,.0f}" for key, value in figures.items()))
        for title, figures in (("without", off), ("with", on))
    ]
    changes = (f"{on[key] / off[key] - 1:+.1%}" if off[key] and on[key] != off[key] else "" for key in on)
    return table(("", *on), [*rows, ("change", *changes)])


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def option_meanings(kind: type) -> dict[str, str]:
    """What a pass's docstring says of each option, in a paragraph of the form "``a``: ...; ``b``: ..."."""
    text = next((paragraph for paragraph in _paragraphs(kind) if paragraph.startswith("``")), "")
    words = re.split(r"(?:^|; )``(\w+)``: ", text.removesuffix("."))[1:]
    return {name: meaning.replace("``", "`") for name, meaning in zip(words[::2], words[1::2], strict=True)}


def _paragraphs(kind: type) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(kind) or "").split("\n\n")]


if __name__ == "__main__":
    print(passes_page(), end="")
