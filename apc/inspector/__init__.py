"""The HTML inspector: a program, its microcode and its costs in one file that opens offline (docs/report.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apc.options import Progress, silent


@dataclass(frozen=True)
class Written:
    """A report: its file's ``bytes``, of which ``instructions`` instructions of ``layers`` layers; whether the energies
    are an ``estimate``; ``program``: the .apc file it is of."""

    bytes: int
    layers: int
    instructions: int
    estimate: bool
    program: Path


def write_report(path: str | Path, sources: Sequence[str | Path], progress: Progress = silent) -> Written:
    """Write the report of ``sources`` (an .apc file, `apc run --json`, `apc compare --json`; see
    ``apc.inspector.sources.read_sources``) to ``path``.

    Raises UserError for sources that are no program or not of one, where ``path`` cannot be written, and where the
    page's program has not been built.
    """
    from apc.accounting import Accounts
    from apc.files import atomic_write, require_writable
    from apc.inspector.page import page, read_bundle
    from apc.inspector.payload import chunks, summary
    from apc.inspector.sources import read_sources

    require_writable(path, *sources)
    bundle = read_bundle()
    progress(0, 1, "reading")
    found = read_sources([Path(source) for source in sources])
    accounts = Accounts(found.program)
    facts = summary(found, accounts)
    steps = 3 + sum(len(layer.tiles) for layer in found.program.layers)

    def watched() -> Iterator[tuple[str, bytes]]:
        for number, item in enumerate(chunks(facts, accounts)):
            progress(number, steps, "compressing")
            yield item

    text = page(bundle, f"{found.program.name or found.path.name}: apc report", watched())
    content = text.encode("utf-8")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return Written(
        bytes=len(content),
        layers=len(facts["layers"]),
        instructions=sum(layer["instructions"] for layer in facts["layers"]),
        estimate=facts["energy"]["estimate"],
        program=found.path,
    )
