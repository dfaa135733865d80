"""A compiled program priced on racetrack-memory associative processors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from apc.accounting import Accounts
from apc.comparison.backend import Backend
from apc.comparison.settings import with_figure
from apc.cycles import cycles_by_class
from backends.cost import CostReport
from backends.rtm_ap.chip import LayerPlan, plan_chip
from backends.rtm_ap.cost import LayerEvents, report
from backends.target import Target
from ir.encoding import encoded_bits
from ir.errors import UserError

LINEAR = {
    "energy.search_row_J": "search_rows",
    "energy.search_key_column_J": "search_key_columns",
    "energy.write_bit_J": "written_bits",
    "energy.shift_step_J": "shifted_bits",
    "energy.control_bit_J": "control_bits",
}
"""Figures of a target, and the counters of ``backends.rtm_ap.cost`` that they price."""


@dataclass(frozen=True, eq=False)
class Pricer:
    """A batch of ``images`` of one program, for any target with the arrays that it was compiled for.

    ``written_bits``: counted in each layer, or None for what is expected of independent bits.
    """

    accounts: Accounts
    images: int
    written_bits: Sequence[float] | None = None

    def report(self, target: Target) -> CostReport:
        """The cost on ``target``, as ``Accounts(program, target).cost`` has it, without counting again what does not
        depend on prices. Raises UserError where its arrays are not those of the program."""
        own = self.accounts.target
        _refuse_other_arrays(target, own)
        if target.array.row_gate_rows != own.array.row_gate_rows:
            return Accounts(self.accounts.program, target).cost(self.images, self.written_bits)
        if _structure(target) == _structure(own):
            return report(self._events(self.accounts.plans(self.images)), target, self.images)
        return report(self._events(self._plans(target)), target, self.images)

    def energy_J(self, target: Target) -> float:
        """Per image."""
        return self.report(target).energy_by_component_J()["total"]

    def _events(self, plans: Sequence[LayerPlan]) -> list[LayerEvents]:
        return [plan.events(*of_program) for plan, of_program in zip(plans, self._of_program, strict=True)]

    @cached_property
    def _of_program(self) -> list[tuple[float, float, float, float]]:
        """Of every layer the events that no plan decides: searched rows, key columns, written and shifted bits."""
        plans = self.accounts.plans(self.images)
        found = []
        for layer, plan in zip(self._own_cost.layers, plans, strict=True):
            read_out, counted = plan.events(0, 0, 0, 0), layer.counters
            found.append(
                (
                    counted["search_rows"] - read_out.search_rows,
                    counted["search_key_columns"] - read_out.search_key_columns,
                    counted["written_bits"],
                    counted["shifted_bits"] - read_out.shifted_bits,
                )
            )
        return found

    @cached_property
    def _own_cost(self) -> CostReport:
        return self.accounts.cost(self.images, self.written_bits)

    def _plans(self, target: Target) -> list[LayerPlan]:
        layers = self.accounts.program.layers
        cycles = [
            [
                int(cycles_by_class(tile, of_tile, target).sum())
                for tile, of_tile in zip(layer.tiles, counts, strict=True)
            ]
            for layer, counts in zip(layers, self.accounts.counts, strict=True)
        ]
        return plan_chip(self.accounts.program, target, cycles, self._encoded_bits, self.images)

    @cached_property
    def _encoded_bits(self) -> list[list[int]]:
        program = self.accounts.program
        return [[encoded_bits(tile, program.encoding) for tile in layer.tiles] for layer in program.layers]


def associative_backend(pricer: Pricer, target: Target, preset: str, overrides: Sequence[str], macs: int) -> Backend:
    """The program on ``target``. Raises UserError where that has other arrays than the program was compiled for."""
    own = pricer.accounts.program.target["name"]
    cost = pricer.report(target)
    notes = (
        [] if target.name == own else [f"same arrays and program, priced anew: sharing and layout were chosen on {own}"]
    )
    if cost.images == 1:
        notes.append("one image at a time: those of a larger --batch share instruction fetches and fill its rows")
    counted = pricer.written_bits is not None
    return Backend(
        preset=preset,
        name=target.name,
        kind="rtm-ap",
        description=target.description,
        overrides=overrides,
        report=cost,
        batch=cost.images,
        batch_s=cost.latency_s(),
        macs=macs,
        figures=target.figures(),
        reprice=lambda key, value: pricer.energy_J(with_figure(target, key, value)),
        energy_source="written bits counted on the dataset" if counted else "written bits expected of independent bits",
        events=_events_per_image(cost),
        notes=notes,
    )


def same_arrays(target: Target, own: Target) -> bool:
    """Whether a program for ``own`` runs on ``target`` as it is."""
    sizes = (target.array.rows, target.array.columns, target.array.domains)
    return sizes == (own.array.rows, own.array.columns, own.array.domains) and target.features == own.features


def _refuse_other_arrays(target: Target, own: Target) -> None:
    if not same_arrays(target, own):
        raise UserError(
            f"target {target.name}: its arrays ({_sizes(target)}) are not those the program was compiled for "
            f"({_sizes(own)}): compile the model for it, `apc compile MODEL --target ...`, and compare that"
        )


def _sizes(target: Target) -> str:
    array = target.array
    searches = "" if target.features.search_or else ", no SEARCH-OR"
    return f"{array.rows} x {array.columns} x {array.domains}{searches}"


def _structure(target: Target) -> tuple[object, ...]:
    """What decides plans and cycles."""
    return target.array, replace(target.timing, cycle_s=1.0)


def _events_per_image(cost: CostReport) -> Mapping[str, float]:
    return {key: sum(layer.counters[counter] for layer in cost.layers) / cost.images for key, counter in LINEAR.items()}
