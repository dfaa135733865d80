"""What the layer passes decided and did, as text for people (`apc compile --print-after`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from apc.report.tables import Column, Row, fitted
from apc.report.units import with_unit
from backends.rtm_ap.decisions import Candidate, Decision

EFFECTS = {
    "adds": "adds",
    "bit_adds": "bit-adds",
    "encoded_bits": "enc. bits",
    "search_passes": "searches",
    "write_passes": "writes",
    "written_bits_estimate": "written bits x rows",
    "shifted_bits": "shifts x rows",
    "columns": "columns",
}
"""Keys of a layer in `apc compile --json` that a pass may change, and their headings."""


def decisions_text(decisions: Sequence[Decision]) -> str:
    """Every layer's candidates with their prices, the one that was taken, and why."""
    return "\n".join(line for decision in decisions for line in _decision(decision))


def _decision(decision: Decision) -> Iterator[str]:
    rows = "row" if decision.positions == 1 else "rows"
    yield f"layer {decision.layer}: {decision.op}, {decision.positions:,} {rows} an image"
    yield f"  taken   {decision.taken.strategy}: {_price(decision.taken)}"
    for candidate in decision.others:
        yield f"  {'no fit' if candidate.refused else 'other':6}  {candidate.strategy}: {_price(candidate)}"
    yield f"  why     {reason(decision)}"


def _price(candidate: Candidate) -> str:
    if candidate.refused:
        return candidate.refused
    if not candidate.energy_J:
        return "not priced"
    tiles = f"{candidate.tiles:,} tile{'s' * (candidate.tiles != 1)}"
    parts = ", ".join(f"{part} {with_unit(energy, 'J')}" for part, energy in candidate.energy_J.items())
    return f"{tiles}, {with_unit(candidate.total_J, 'J')} ({parts})"


def reason(decision: Decision) -> str:
    """Why the candidate was taken, in words and numbers."""
    taken, others = decision.taken, decision.others
    if not taken.energy_J:
        if not others:
            return "there is one way that these passes allow"
        return "it is the first that fits"
    rivals = [item for item in others if item.energy_J and not item.refused]
    if not rivals:
        return "it is the only one that fits" if others else "there is one way that these passes allow"
    text = "least expected energy"
    dearer = [item for item in rivals if item.total_J > taken.total_J]
    if len(dearer) < len(rivals):
        text += f", the first of {1 + len(rivals) - len(dearer)} that are equal"
    if not dearer:
        return text
    rival = min(dearer, key=lambda item: item.total_J)
    text += f", {1 - taken.total_J / rival.total_J:.1%} below the next, {rival.strategy}"
    less = [part for part in taken.energy_J if taken.energy_J[part] < rival.energy_J.get(part, 0.0)]
    more = [part for part in taken.energy_J if taken.energy_J[part] > rival.energy_J.get(part, 0.0)]
    for word, parts in ((":", less), (", in spite of", more)):
        if parts:
            most = max(parts, key=lambda part: abs(taken.energy_J[part] - rival.energy_J.get(part, 0.0)))
            own, its = with_unit(taken.energy_J[most], "J"), with_unit(rival.energy_J.get(most, 0.0), "J")
            text += f"{word} {most} {own} against {its}"
    return text


def effects_table(on: dict[str, Any], off: dict[str, Any], width: int) -> list[Table | str]:
    """What a pass did to every layer that it changed: counts without it -> with it, and the ratio of the estimated
    energies; empty where it changed nothing. ``on``, ``off``: compile reports with the pass and without; ``width``:
    letters of a line."""
    pairs = list(zip(off["layers"], on["layers"], strict=True))
    keys = [key for key in EFFECTS if any(before[key] != after[key] for before, after in pairs)]
    if not keys:
        return []
    counted = [Column(EFFECTS[key], rank=1 + number) for number, key in enumerate(keys)]
    columns = [Column("layer", text=True), *counted, Column("energy ratio")]
    rows: list[Row] = []
    for before, after in pairs:
        if any(before[key] != after[key] for key in keys):
            rows.append([after["name"], *_changes(before, after, keys)])
    return fitted(columns, [*rows, None, ["all", *_changes(off["totals"], on["totals"], keys)]], width)


def _changes(before: dict[str, Any], after: dict[str, Any], keys: Sequence[str]) -> list[str]:
    counts = [f"{before[key]:,.0f} -> {after[key]:,.0f}" if key in before else "" for key in keys]
    base, energy = (item["energy_estimate_J"]["total"] for item in (before, after))
    return [*counts, f"x {energy / base:.3f}" if base else ""]
