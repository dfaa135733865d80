"""`apc inspect OUT.apc`: a compiled network on one screen, as data (``overview_text`` prints it)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from apc.accounting import Accounts
from apc.cycles import schedule_by_class
from backends.cost import CostReport
from backends.target import Target, preset_names
from ir.program import Program

COSTS = 3
"""How many of the biggest costs are told."""
COMMANDS = 4
"""How many commands are proposed at most."""
DOING = {
    "search": "searching",
    "write": "writing bits",
    "shift": "shifting",
    "control": "fetching instructions",
    "movement": "moving activations",
    "leakage": "leakage",
}
"""Parts of the energy of an RTM-AP (``backends.rtm_ap.cost.COMPONENTS``) as what the machine does."""
_FIGURES = {
    "search": ("search_row_J", "search_key_column_J"),
    "write": ("write_bit_J",),
    "shift": ("shift_step_J",),
    "control": ("control_bit_J",),
    "movement": ("move_bit_array_J", "move_bit_tile_J", "move_bit_bank_J", "move_bit_global_J"),
}
"""The figures of a target that price each part."""


@dataclass(frozen=True)
class Row:
    """One layer, for one image. ``energy_J`` by part, an estimate; ``by_class``: cycles of its schedule by instruction
    class, which sum to ``cycles``."""

    index: int
    name: str
    op: str
    shape: tuple[int, int, int]
    instructions: int
    additions: int
    cycles: int
    energy_J: dict[str, float]
    by_class: dict[str, int]

    @property
    def total_J(self) -> float:
        return sum(self.energy_J.values())


@dataclass(frozen=True)
class Cost:
    """A big cost: ``what`` part of the energy, or class of instructions (``of`` "energy" or "cycles"), in which layer;
    ``share`` of the whole network's, 0..1; ``value`` in J or cycles."""

    of: str
    layer: str
    what: str
    share: float
    value: float


@dataclass(frozen=True)
class Proposal:
    """A command worth typing next, and what it shows."""

    command: str
    shows: str


@dataclass(frozen=True, eq=False)
class Overview:
    """``file``: the artifact as the user named it."""

    program: Program
    file: Path
    target: Target
    rows: list[Row]
    energy_J: dict[str, float]
    latency_s: float

    @property
    def cycles(self) -> int:
        return sum(row.cycles for row in self.rows)

    @cached_property
    def costs(self) -> list[Cost]:
        """The biggest: two of the energy (a part of a layer), and the class of instructions with most cycles."""
        total = self.energy_J["total"]
        energies = [
            Cost("energy", row.name, part, value / total, value)
            for row in self.rows
            for part, value in row.energy_J.items()
            if value > 0
        ]
        energies.sort(key=lambda cost: -cost.value)
        classes = [
            Cost("cycles", row.name, name, cycles / self.cycles, cycles)
            for row in self.rows
            for name, cycles in row.by_class.items()
            if cycles > 0
        ]
        classes.sort(key=lambda cost: -cost.value)
        return [*energies[: COSTS - 1], *classes[:1]]

    @cached_property
    def proposals(self) -> list[Proposal]:
        """Where to look next, chosen from what was found: first at the layers that the biggest costs name."""
        return list(_proposals(self))[:COMMANDS]


def measure(accounts: Accounts, file: Path) -> Overview:
    """Counts and prices of a program for one image; takes seconds for millions of instructions."""
    estimate = accounts.cost(1)
    rows = _rows(accounts, estimate)
    return Overview(accounts.program, file, accounts.target, rows, estimate.energy_J(), estimate.latency_s())


def _rows(accounts: Accounts, estimate: CostReport) -> list[Row]:
    program = accounts.program
    rows = []
    each = zip(
        accounts.layers(), program.layers, accounts.plans(1), accounts.cycles_by_class, estimate.layers, strict=True
    )
    for index, (statics, layer, plan, by_class, cost) in enumerate(each):
        rows.append(
            Row(
                index,
                statics.name,
                statics.op,
                program.tensors[layer.output].shape,
                statics.instructions,
                layer.statistics.get("adds", 0),
                statics.cycles,
                dict(cost.energy_J),
                schedule_by_class(plan, by_class) if layer.tiles else {},
            )
        )
    return rows


def _proposals(overview: Overview) -> Iterator[Proposal]:
    if not overview.rows:
        return
    file = shlex.quote(str(overview.file))
    costly = list(dict.fromkeys(cost.layer for cost in overview.costs))
    adding = {row.name for row in overview.rows if row.additions}
    if costly:
        yield _histogram(file, costly[0])
    for name in [name for name in costly if name in adding][:1]:
        yield Proposal(f"apc explain {file} --layer {shlex.quote(name)} --output 0", "how an output is summed")
    if len(costly) > 1:
        yield _histogram(file, costly[1])
    part = max(DOING, key=lambda name: overview.energy_J.get(name, 0.0))
    assumed = [name for name in _FIGURES.get(part, ()) if _assumed(overview.program, name)]
    if assumed and overview.program.target["name"] in preset_names():
        named = f"apc targets show {shlex.quote(str(overview.program.target['name']))}"
        yield Proposal(named, f"where the price of {DOING[part]} comes from: it is assumed")
    yield Proposal(f"apc inspect {file} --level layers", "exact counts of every layer")
    yield Proposal(f"apc report {file} -o {shlex.quote(overview.file.stem + '.html')}", "all of this as a page")


def _histogram(file: str, layer: str) -> Proposal:
    command = f"apc inspect {file} --layer {shlex.quote(layer)} --level histogram"
    return Proposal(command, "what its cost is made of")


def _assumed(program: Program, figure: str) -> bool:
    return bool(program.target.get("sources", {}).get("energy", {}).get(figure, {}).get("assumed", False))


def as_json(overview: Overview) -> dict[str, Any]:
    """Keys of `apc inspect --json` beside those of the layers' counts (docs/json.md)."""
    return {
        "cycles": overview.cycles,
        "latency_s": overview.latency_s,
        "energy_estimate_J": overview.energy_J,
        "layer_energy_estimate_J": [{**row.energy_J, "total": row.total_J} for row in overview.rows],
        "layer_cycles_by_class": [row.by_class for row in overview.rows],
        "costs": [vars(cost) for cost in overview.costs],
        "next": [proposal.command for proposal in overview.proposals],
    }
