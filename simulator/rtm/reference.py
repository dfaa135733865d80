"""The reference machine as an engine: layers of a program, tile after tile, with or without faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ir.isa import Field
from ir.program import LayerProgram, Program
from simulator.rtm import machine
from simulator.rtm.counters import CLASSES, active_rows
from simulator.rtm.engine import LayerResult, storage_type
from simulator.rtm.faults.injector import NOTHING_FAILS, Injector
from simulator.rtm.wires import ROWS_PER_WORD, Wires, pack_rows

InjectorOfTile = Callable[[int, int, Mapping[int, Wires]], Injector]
"""What goes wrong in a tile, by layer, tile and the wires of the tensors stored so far."""


@dataclass
class ReferenceEngine:
    """The reference machine behind the same interface as ``FastEngine``.

    ``wires``: with faults, those of the tensors that were computed so far, by index into ``Program.tensors``.
    """

    program: Program
    batch: int
    faults: InjectorOfTile | None = None
    wires: dict[int, Wires] = field(default_factory=dict)

    def run_layer(self, index: int, tensors: Mapping[int, np.ndarray], keep_contents: bool = False) -> LayerResult:
        """Compute the output tensor of layer ``index`` from ``tensors`` (by index into ``Program.tensors``)."""
        layer = self.program.layers[index]
        target = self.program.tensors[layer.output]
        array = self.program.target["array"]
        rows = active_rows(self.program, self.batch * target.positions)
        output = np.zeros((target.channels, rows.active), storage_type(target))
        written = np.zeros((len(layer.tiles), CLASSES), np.int64)
        wires = Wires.empty(target.fields, int(array["domains"]), rows.active // ROWS_PER_WORD)
        contents = []
        for number, tile in enumerate(layer.tiles):
            run = machine.run_tile(
                tile,
                layer.row_maps,
                self.program.tensors,
                tensors,
                machine.Layout(self.batch, *target.shape[1:]),
                rows,
                columns=int(array["columns"]),
                domains=int(array["domains"]),
                search_or=bool(self.program.target["features"]["search_or"]),
                array_rows=int(array["rows"]),
                resident=_resident(layer, number, self.batch),
                faults=self.faults(index, number, self.wires) if self.faults else NOTHING_FAILS,
            )
            written[number] = run.written_bits
            for channel in np.flatnonzero(target.fields["tile"] == number).tolist():
                _, column, domain, width, signed, across = target.fields[channel].tolist()
                output[channel] = run.machine.read(Field(column, domain, width, bool(signed), bool(across)))
            if self.faults:
                here = wires.places[:, 0] == number
                wires.planes[here] = pack_rows(run.machine.cells[:, wires.places[here, 1]])
            if keep_contents:
                contents.append(pack_rows(run.machine.cells))
        if self.faults:
            self.wires[layer.output] = wires
        return LayerResult(output, written, contents)


def _resident(layer: LayerProgram, tile: int, batch: int) -> list[tuple[Field, np.ndarray]]:
    """The resident fields of a tile, and what their used rows hold."""
    loaded = []
    for index in np.flatnonzero(layer.resident_fields["tile"] == tile).tolist():
        _, column, domain, width, signed, across = layer.resident_fields[index].tolist()
        values = np.tile(layer.resident_values[index].astype(np.int64), batch)
        loaded.append((Field(column, domain, width, bool(signed), bool(across)), values))
    return loaded
