"""The tables of docs/machine.md, from its example: every micro-operation with its cycles, the waves, the energy.

python -m apc.report.machine_page docs/machine.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from apc.accounting import Accounts
from apc.driver import RunResult, run_model
from apc.files import atomic_write
from apc.report.inspection_text import micro_text
from apc.report.markdown import replaced, table
from backends.rtm_ap.chip import LayerPlan
from backends.rtm_ap.placement import Distance
from backends.target import Target, load_target
from ir.assembly import parse_program
from ir.disassembler import field_text, instruction_lines
from ir.expand import MicroOp, Receive, Search, SearchOr, Shift, Write, expand_instruction
from ir.isa import Field
from ir.program import LayerProgram, Program, StoredTensor, Tile

PRESET = "rtm-ap-published"
Row = tuple[str, str, str, int]
"""Place in the program, micro-operation, where, cycles."""


def renewed(page: str) -> str:
    """The page with its tables made again from its example."""
    example = Example(page)
    for name, text in (
        ("cycles", example.figures_table()),
        ("micro-operations", example.micro_table()),
        ("waves", example.waves_table()),
        ("energy", example.energy_table()),
    ):
        page = replaced(page, name, text)
    return page


@dataclass(frozen=True)
class Example:
    """The program, target and image in the fenced blocks of a page."""

    page: str

    @cached_property
    def target(self) -> Target:
        return load_target(PRESET, self._block("target").split())

    @cached_property
    def program(self) -> Program:
        lines = [*self._block("asm").splitlines(), *target_lines(self.target)]
        return parse_program("\n".join(lines), "the page's example")

    @cached_property
    def image(self) -> np.ndarray:
        return np.array(self._block("input").split(), np.uint8).reshape(1, *self.program.tensors[0].shape)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.program)

    @cached_property
    def run(self) -> RunResult:
        return run_model(self.program, {self.program.inputs[0].name: self.image})

    def _block(self, kind: str) -> str:
        return self.page.split(f"```{kind}\n")[1].split("```")[0]

    # --- tables -----------------------------------------------------------------------------------------------------

    def figures_table(self) -> str:
        """What micro-operations cost on the example's target."""
        timing, rows = self.target.timing, self.target.array.rows
        link = timing.transfer_bits_per_cycle
        return table(
            ("micro-operation", "cycles"),
            [
                ("`SHIFT`, a step", str(timing.shift_cycles)),
                ("`SEARCH`, `SEARCH-OR`", str(timing.search_cycles)),
                ("`WRITE`", str(timing.write_cycles)),
                ("a transfer", f"{rows} / {link} = {self._transfer}"),
            ],
        )

    def micro_table(self) -> str:
        """Every micro-operation of every tile."""
        rows: list[tuple[str, ...]] = []
        for index, layer in enumerate(self.program.layers):
            for number in range(len(layer.tiles)):
                listed = list(self.micro_operations(index, number))
                rows += [(place, text, where, str(cycles)) for place, text, where, cycles in listed]
                total = sum(cycles for *_, cycles in listed)
                rows.append((f"**layer {index} tile {number}**", "**together**", "", f"**{total}**"))
        return table(("instruction", "micro-operation", "in", "cycles"), rows)

    def micro_operations(self, index: int, number: int) -> Iterator[Row]:
        """Those of one tile in order, rewinding and read-out at its end."""
        layer = self.program.layers[index]
        tile = layer.tiles[number]
        own = [0] * self.target.array.columns
        sources: dict[tuple[int, int], int] = {}
        for address, line in enumerate(instruction_lines(tile, 0, len(tile.instructions))):
            place = f"`{' '.join(line.split())}`"
            for op in expand_instruction(tile.instructions[address], tile, self.target.features.search_or, own):
                steps = self._gathering(tile, op, sources) if isinstance(op, Receive) else [self._own(op)]
                for text, where, cycles in steps:
                    yield place, f"`{text}`", where, cycles
                    place = ""
        place = "rewind"
        moved = [(column, offset, "own array") for column, offset in enumerate(own)]
        moved += [(column, offset, _source(tensor)) for (tensor, column), offset in sources.items()]
        for column, offset, where in moved:
            if offset:
                text, _, cycles = self._own(Shift(column, -offset))
                yield place, f"`{text}`", where, cycles
                place = ""
        yield from self._read_out(index, number, layer)

    def waves_table(self) -> str:
        """Tiles in waves, and what the layers take."""
        rows = []
        for index, plan in enumerate(self.accounts.plans(1)):
            for wave, longest in enumerate(plan.timetable.longest.tolist()):
                base, last = plan.placement.base, plan.placement.base + plan.placement.arrays - 1
                arrays = str(base) if base == last else f"{base} to {last}"
                rows.append((f"{index} {plan.name}", str(wave), str(longest), arrays, str(plan.run_cycles[longest])))
        rows.append(("**network**", "", "", "", f"**{self.accounts.cycles(1)}**"))
        return table(("layer", "wave", "longest tile", "arrays", "cycles"), rows)

    def energy_table(self) -> str:
        """Events of each layer, their prices and their product."""
        rows = [
            (f"{index} {plan.name}", what, amount, f"`{figure}` {price:g}", f"{count * price:.3e}")
            for index, plan in enumerate(self.accounts.plans(1))
            for what, amount, count, figure, price in self._priced(index, plan)
            if count
        ]
        rows.append(("**network**", "", "", "", f"**{self.run.cost.energy_J()['total']:.3e}**"))
        return table(("layer", "events", "count", "price", "joules"), rows)

    def _priced(self, index: int, plan: LayerPlan) -> Iterator[tuple[str, str, float, str, float]]:
        """(events, their count as text, their count, figure, its value) of a layer."""
        energy, events = self.target.energy, self.run.cost.layers[index].counters
        for what, counter, figure in (
            ("rows searched", "search_rows", "search_row_J"),
            ("key columns driven", "search_key_columns", "search_key_column_J"),
            ("bits written", "written_bits", "write_bit_J"),
            ("nanowires shifted by a step", "shifted_bits", "shift_step_J"),
            ("instruction bits fetched", "control_bits", "control_bit_J"),
        ):
            count = events[counter]
            over_rows = counter in ("search_rows", "shifted_bits")
            amount = f"{count / plan.active_rows:g} x {plan.active_rows} = {count:g}" if over_rows else f"{count:g}"
            yield what, amount, count, figure, getattr(energy, figure)
        moved = plan.gathered_bits.tolist()
        moved[Distance.GLOBAL] += plan.exported_columns * plan.rows
        for distance, count in zip(Distance, moved, strict=True):
            figure = f"move_bit_{distance.name.lower()}_J"
            yield f"bits moved, {distance.name.lower()}", f"{count:g}", count, figure, getattr(energy, figure)
        powered = plan.powered_arrays * plan.cycles * self.target.timing.cycle_s
        amount = f"{plan.powered_arrays} x {plan.cycles} cycles"
        yield "seconds of powered arrays", amount, powered, "leakage_array_W", self.target.device.leakage_array_W

    # --- micro-operations -------------------------------------------------------------------------------------------

    @property
    def _transfer(self) -> int:
        return -(-self.target.array.rows // self.target.timing.transfer_bits_per_cycle)

    def _own(self, op: MicroOp) -> tuple[str, str, int]:
        """(text, where, cycles) of a micro-operation in the tile's own arrays."""
        timing = self.target.timing
        match op:
            case Shift(_, steps):
                cycles = abs(steps) * timing.shift_cycles
            case Search() | SearchOr():
                cycles = timing.search_cycles
            case Write():
                cycles = timing.write_cycles
            case _:
                raise ValueError(f"the example has no {micro_text(op)}")
        return " ".join(micro_text(op).split()), "own array", cycles

    def _gathering(
        self, tile: Tile, op: Receive, offsets: dict[tuple[int, int], int]
    ) -> Iterator[tuple[str, str, int]]:
        """What happens where a gathered bit lies, and its transfer. ``offsets``: of the sources' columns by (tensor,
        column); of one tile each in the example."""
        number, channel = int(tile.gathers[op.gather]["tensor"]), int(tile.gathers[op.gather]["channel"])
        tensor = self.program.tensors[number]
        if tensor.producer >= 0:
            column, domain = _field(tensor, channel).cell(op.bit)
            steps = domain - offsets.get((number, column), 0)
            offsets[number, column] = domain
            for source_op in [Shift(column, steps)] if steps else []:
                text, _, cycles = self._own(source_op)
                yield text, _source(number), cycles
            text, _, cycles = self._own(Search((((column, domain), 1),)))
            yield text, _source(number), cycles
        yield f"RECEIVE bit {op.bit}", "link", self._transfer

    def _read_out(self, index: int, number: int, layer: LayerProgram) -> Iterator[Row]:
        """The searches and transfers of every output bit, and the sweep over the fields and back."""
        plan, timing = self.accounts.plans(1)[index], self.target.timing
        if not plan.export_cycles[number]:
            return
        tensor = self.program.tensors[layer.output]
        place = "read-out"
        for channel in np.flatnonzero(tensor.fields["tile"] == number).tolist():
            field = _field(tensor, channel)
            text = f"`{field_text(field)}`: a search and a transfer a bit"
            yield place, text, "own array", field.width * (timing.search_cycles + self._transfer)
            sweep = 2 * max(field.cell(bit)[1] for bit in range(field.width))
            if sweep:
                yield "", f"`SHIFT c{field.column}` to its last bit and back", "own array", sweep * timing.shift_cycles
            place = ""


def _field(tensor: StoredTensor, channel: int) -> Field:
    _, column, domain, width, signed, across = tensor.fields[channel].tolist()
    return Field(column, domain, width, bool(signed), bool(across))


def _source(tensor: int) -> str:
    return f"array of t{tensor}"


def target_lines(target: Target) -> Iterator[str]:
    """The target's snapshot as directives of assembly text."""

    def leaves(value: object, path: list[str]) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from leaves(inner, [*path, key])
        else:
            yield f"target {'.'.join(path)} = {json.dumps(value)}"

    return leaves(target.as_table(), [])


if __name__ == "__main__":
    path = Path(sys.argv[1])
    with atomic_write(path) as temporary:
        temporary.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
