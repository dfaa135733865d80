"""All that a report says, in chunks: the summary, which its page opens at once, and what it opens when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apc.accounting import Accounts
from apc.inspector.chunks import fields_bytes, json_bytes, tile_bytes
from apc.inspector.layer_summary import Spent, layer_facts
from apc.inspector.program_summary import (
    boundary_facts,
    figures,
    graph_facts,
    program_facts,
    target_facts,
    tensor_facts,
)
from apc.inspector.signatures import signature_book
from apc.inspector.sources import Sources
from apc.inspector.timeline import timeline

SCHEMA = "apc.inspector/1"


def summary(sources: Sources, accounts: Accounts) -> dict[str, Any]:
    """The object of ``web/src/payload.ts``. Energies are of the run per image, or else the estimate for one."""
    program = sources.program
    spent = Spent(sources.run, accounts.cost(1))
    return {
        "schema": SCHEMA,
        "program": program_facts(program, sources.path),
        "target": target_facts(accounts.target),
        "figures": figures(accounts.target, sources.comparison),
        "tensors": tensor_facts(program),
        "layers": layer_facts(accounts, spent),
        "graph": graph_facts(program),
        "graph_text": program.graph_text,
        "timeline": timeline(accounts),
        "energy": spent.summary(),
        "run": sources.run,
        "comparison": _without_figures(sources.comparison),
        "boundaries": boundary_facts(program),
    }


def chunks(facts: dict[str, Any], accounts: Accounts) -> Iterator[tuple[str, bytes]]:
    """(name, content), not yet compressed: "summary" (``facts``), "fields", "signatures", and "tile-L-T" of every
    tile."""
    program = accounts.program
    yield "summary", json_bytes(facts)
    yield "fields", fields_bytes(program)
    yield "signatures", json_bytes(signature_book(program))
    for index, layer in enumerate(program.layers):
        for number, tile in enumerate(layer.tiles):
            yield f"tile-{index}-{number}", tile_bytes(tile, accounts.counts[index][number])


def _without_figures(comparison: dict[str, Any] | None) -> dict[str, Any] | None:
    """The summary lists the figures of all backends once, as ``figures``."""
    if comparison is None:
        return None
    backends = [{key: value for key, value in item.items() if key != "figures"} for item in comparison["backends"]]
    return {**comparison, "backends": backends}
