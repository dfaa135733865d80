"""A slice of a tile on the reference machine, one micro-operation at a time, for people who want to see an AP work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from apc.options import Progress
from apc.report.inspection import Window
from ir.boundary import quantise_inputs
from ir.disassembler import instruction_lines
from ir.expand import Broadcast, MicroOp, Receive, Shift, Write, expand_instruction, operand_fields
from ir.isa import GATHERING, Field, gather_index
from ir.program import Program
from simulator.rtm.machine import Layout, Machine, source_positions
from simulator.rtm.run import run_program


@dataclass(frozen=True, eq=False)
class Step:
    """One micro-operation and what it did. ``tags``: bool[rows] after it; ``flipped``: int64[rows], cells of each row
    that changed; ``domains``: (before, after) at the port of the column that was shifted, or None."""

    op: MicroOp
    tags: np.ndarray
    flipped: np.ndarray
    domains: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class SteppedInstruction:
    """An instruction (its address, and its line of assembly) with the integers in its operands, int64[rows] each:
    ``before`` by operand name, ``after`` in r; ``received``: what each row gathers, or None."""

    address: int
    text: str
    fields: Mapping[str, Field]
    before: Mapping[str, np.ndarray]
    received: np.ndarray | None
    steps: list[Step]
    after: np.ndarray


def tensors_before(
    program: Program, inputs: Mapping[str, np.ndarray], layer: int, progress: Progress
) -> dict[int, np.ndarray]:
    """What the layers before ``layer`` make of the first image, on the fast engine: index into ``program.tensors`` ->
    int64[channels, positions]. ``inputs``: as for ``apc.driver.run_model``. Raises UserError for what does not fit."""
    first = {name: values[:1] for name, values in quantise_inputs(program.inputs, inputs).items()}
    earlier = replace(program, layers=program.layers[:layer])
    progress(0, 0, "preparing the program")
    stored = run_program(earlier, first, keep="all", progress=progress).tensors
    return {number: values[0].reshape(values.shape[1], -1) for number, values in stored.items()}


class Stepper:
    """The arrays of one tile of a layer, for one image: rows are its positions. Other rows of a run, empty or of other
    images, follow the same micro-operations and do not change these."""

    def __init__(self, program: Program, window: Window, tensors: Mapping[int, np.ndarray]) -> None:
        """``tensors``: those that the tile gathers, as ``tensors_before`` gives them. Nothing of the window is run."""
        array = program.target["array"]
        self.program = program
        self.window = window
        self.tensors = tensors
        self.search_or = bool(program.target["features"]["search_or"])
        self.layout = Layout(1, *program.tensors[window.layer.output].shape[1:])
        self.machine = Machine(self.layout.used, int(array["columns"]), int(array["domains"]))
        for place, values in zip(*window.layer.resident(window.tile_index), strict=True):
            _, column, domain, width, signed, across = place.tolist()
            self.machine.load(Field(column, domain, width, bool(signed), bool(across)), values.astype(np.int64))

    @property
    def rows(self) -> int:
        return self.layout.used

    def skip_to_window(self, progress: Progress) -> None:
        """Execute the instructions before the window without looking. To be called first."""
        for address in range(self.window.start):
            progress(address, self.window.start, f"instruction {address}")
            received = self._received(address)
            for op in self._expand(address):
                self.machine.execute(op, _bit(op, received))

    def window_steps(self) -> Iterator[SteppedInstruction]:
        """Execute the instructions of the window and tell what each micro-operation does."""
        for address in range(self.window.start, self.window.stop):
            yield self._step(address)

    def _step(self, address: int) -> SteppedInstruction:
        fields, received = operand_fields(self.window.tile.instructions[address]), self._received(address)
        before = {name: self.machine.read(field) for name, field in fields.items()}
        steps = [self._observe(op, _bit(op, received)) for op in self._expand(address)]
        (text,) = instruction_lines(self.window.tile, address, address + 1)
        after = self.machine.read(fields["r"])
        return SteppedInstruction(address, text, fields, before, received, steps, after)

    def _expand(self, address: int) -> list[MicroOp]:
        """The micro-operations of an instruction from where the columns are now."""
        tile = self.window.tile
        return expand_instruction(tile.instructions[address], tile, self.search_or, list(self.machine.offsets))

    def _observe(self, op: MicroOp, received: np.ndarray | None) -> Step:
        places = [place for place, _ in op.values] if isinstance(op, Write) else []
        held = [self.machine.cells[:, column, domain].copy() for column, domain in places]
        offset = self.machine.offsets[op.column] if isinstance(op, Shift) else 0
        self.machine.execute(op, received)
        flipped = np.zeros(self.layout.used, np.int64)
        for (column, domain), cell in zip(places, held, strict=True):
            flipped += self.machine.cells[:, column, domain] != cell
        domains = (offset, offset + op.steps) if isinstance(op, Shift) else None
        return Step(op, self.machine.tags.copy(), flipped, domains)

    def _received(self, address: int) -> np.ndarray | None:
        """The integer that each row gathers, or None where the instruction does not gather."""
        record, tile = self.window.tile.instructions[address], self.window.tile
        if record["op"] not in GATHERING:
            return None
        entry = tile.gathers[int(gather_index(record))]
        number = int(entry["tensor"])
        row_map = self.window.layer.row_maps[int(entry["row_map"])]
        rows = source_positions(row_map, self.layout, self.program.tensors[number].shape)
        return np.where(rows >= 0, self.tensors[number][int(entry["channel"])][rows], int(entry["pad_value"]))


def _bit(op: MicroOp, received: np.ndarray | None) -> np.ndarray | None:
    """What a micro-operation receives of the gathered integers, bool[rows]."""
    if received is None or not isinstance(op, Receive | Broadcast):
        return None
    return (received >> op.bit & 1).astype(bool)
