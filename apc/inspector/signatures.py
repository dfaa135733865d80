"""The expansions of a program's instructions, each written once: the page places them as `ir.expand` does."""

from __future__ import annotations

from typing import Any

from ir.counts import distinct_signatures, summarise
from ir.expand import Signature, Step, steps
from ir.isa import A_SIGNED, B_SIGNED, R_FRESH
from ir.program import Program
from ir.tables import Table


def signature_book(program: Program) -> dict[str, Any]:
    """Every signature that occurs, and every LUT that their expansions use.

    ``tables``: [{passes: [{searches: [[[column, bit], ...], ...], writes: [[column, bit], ...]}]}]. ``signatures``:
    [{key, searches, writes, path, steps}], where ``key`` is [op, its A_SIGNED, B_SIGNED and R_FRESH flags, a_width,
    b_width, r_width, constants of ir.expand.Signature ...]; ``path`` has for a, b and r [mask of the bits touched,
    first, last, steps between]; ``steps`` are [table, bit received or -1, bit broadcast or -1, "a3 r3 C0": the cell of
    each of the table's columns, named by its letter].
    """
    search_or = bool(program.target["features"]["search_or"])
    found = {sig: None for layer in program.layers for tile in layer.tiles for sig in distinct_signatures(tile)[0]}
    book = _Book(search_or)
    signatures = [book.signature(sig) for sig in found]
    return {"tables": book.tables, "signatures": signatures}


class _Book:
    """Collects the tables while signatures are written."""

    def __init__(self, search_or: bool) -> None:
        self.search_or = search_or
        self.tables: list[dict[str, Any]] = []
        self._numbers: dict[Table, int] = {}

    def signature(self, sig: Signature) -> dict[str, Any]:
        """One entry of ``signatures``."""
        flags = A_SIGNED * sig.a_signed | B_SIGNED * sig.b_signed | R_FRESH * sig.fresh
        summary = summarise(sig, self.search_or)
        path = zip(summary.masks, summary.firsts, summary.lasts, summary.inner_steps, strict=True)
        return {
            "key": [int(sig.op), flags, sig.a_width, sig.b_width, sig.r_width, *sig.constants],
            "searches": summary.searches,
            "writes": summary.writes,
            "path": [list(of_operand) for of_operand in path],
            "steps": [self._step(step) for step in steps(sig, self.search_or)],
        }

    def _step(self, step: Step) -> list[Any]:
        cells = " ".join(f"{name}{step.cells[name][1]}" for name in sorted(step.table.touched))
        received = -1 if step.receive is None else step.receive
        return [self._number(step.table), received, -1 if step.broadcast is None else step.broadcast, cells]

    def _number(self, table: Table) -> int:
        if table not in self._numbers:
            self._numbers[table] = len(self.tables)
            passes = [{"searches": item.searches, "writes": item.writes} for item in table.passes]
            self.tables.append({"passes": passes})
        return self._numbers[table]
