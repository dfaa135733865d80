"""Programmed arrays: cells drawn, wires solved, and put together as the signals that leave a row part's arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.analog.config import CrossbarConfig
from simulator.analog.errors import has_analog_errors, programmed, stuck_cells
from simulator.analog.mapping import MappedWeights, map_weights
from simulator.analog.noise import read_moments
from simulator.analog.partition import RowPart, parts


@dataclass(frozen=True)
class Signals:
    """Currents of the arrays of one row part, before any converter.

    ``matrix``: float64[groups, signals, rows]; a current is ``step * matrix @ u + per_input * sum(u)``.
    ``variance``: the same of read noise, per u^2. Signals of a group: slices x sides x columns, the unit columns
    last among columns; sides are 1 where a pair is subtracted before the ADC. ``gated``: cells as programmed,
    float64[slices, sides, groups, columns, rows], where inputs switch them and the currents are not linear.
    """

    rows: RowPart
    matrix: np.ndarray
    step: float
    per_input: float
    variance: np.ndarray | None = None
    gated: np.ndarray | None = None


class Arrays:
    """All arrays of a weight matrix (groups, columns, rows) with rows in channels of ``taps`` each. Cells are drawn
    tile by tile: a tile's errors depend on the seed and on (group, row part, column part) only."""

    def __init__(self, weights: np.ndarray, config: CrossbarConfig, seed: tuple[int, ...], rows: list[RowPart]) -> None:
        self.config, self.seed, self.rows = config, seed, rows
        self.columns = weights.shape[1]
        self.column_parts = parts(self.columns, config.columns_max)
        self.mapped: MappedWeights = map_weights(weights, config, len(self.column_parts) if config.unit_column else 0)
        self.whole_levels = (
            self.mapped.levels is not None
            and not has_analog_errors(config)
            and not config.resistive
            and config.read_noise is None
        )
        self.pairs_subtracted = config.differential and config.subtract_in_analog
        self.linear = not (config.resistive and config.topology == "separate_source")

    @property
    def sides(self) -> int:
        """Signals of a slice and column."""
        return 2 if self.config.differential and not self.pairs_subtracted else 1

    @property
    def signal_columns(self) -> int:
        """Columns and unit columns of a group."""
        return self.mapped.scale.shape[1]

    def unit_column(self) -> np.ndarray:
        """int64[columns]: the unit column of each column's array."""
        starts = [start for start, _ in self.column_parts]
        return self.columns + np.searchsorted(starts, np.arange(self.columns), side="right") - 1

    def levels(self, number: int) -> np.ndarray:
        """Integers [slices, sides, groups, columns, rows] of row part ``number``, stuck cells in place."""
        assert self.mapped.levels is not None
        rows, config = self.rows[number], self.config
        chosen = self.mapped.levels[..., rows.start : rows.stop]
        if not (config.stuck_on or config.stuck_off):
            return chosen
        chosen = chosen.copy()
        for place, index in self._tiles(number):
            tile = chosen[:, :, place[0]][:, :, index]
            on, off = stuck_cells(tile.shape, config, self.seed, place)
            chosen[:, :, place[0], index] = np.where(on, (1 << config.slice_bits) - 1, np.where(off, 0, tile))
        return chosen

    def cells(self, number: int) -> np.ndarray:
        """float64[slices, sides, groups, columns, rows]: conductances of row part ``number`` in units of Gmax."""
        rows = self.rows[number]
        chosen = self.mapped.targets(rows.start, rows.stop)
        for place, index in self._tiles(number):
            tile = chosen[:, :, place[0]][:, :, index]
            chosen[:, :, place[0], index] = programmed(tile, self.config, self.seed, place)
        return chosen

    def signals(self, number: int) -> Signals:
        """What leaves the arrays of row part ``number``."""
        rows, config = self.rows[number], self.config
        if self.whole_levels:
            levels = self._as_signals(self.levels(number)).astype(np.float64) - self.mapped.middle
            return Signals(rows, levels, *self.level_steps())
        cells = self.cells(number)
        variance = None
        if config.read_noise is not None:
            cells, spread = read_moments(cells, config.read_noise)
            variance = self._as_signals(spread, added=True)
        if not self.linear:
            return Signals(rows, self._as_signals(cells), 1.0, 0.0, variance, cells)
        if config.resistive:
            return Signals(rows, self._through_wires(number, cells), 1.0, 0.0, variance)
        return Signals(rows, self._as_signals(cells), 1.0, 0.0, variance)

    def level_steps(self) -> tuple[float, float]:
        """Of cells at levels, what a current grows by per level and input, and per input at the middle level."""
        step = self.mapped.step
        return step, 0.0 if self.pairs_subtracted else self.mapped.lowest + step * self.mapped.middle

    def wires(self) -> dict[str, float]:
        """The resistances, by the names of `simulator.analog.parasitics`."""
        c = self.config
        return {
            "row_resistance": c.row_resistance,
            "column_resistance": c.column_resistance,
            "row_terminal": c.row_terminal,
            "column_terminal": c.column_terminal,
        }

    def tile_columns(self) -> list[np.ndarray]:
        """Of every column part: its columns, its unit column last."""
        units = self.config.unit_column
        return [
            np.array([*range(start, stop), *([self.columns + index] if units else [])])
            for index, (start, stop) in enumerate(self.column_parts)
        ]

    def _tiles(self, number: int) -> list[tuple[tuple[int, int, int], np.ndarray]]:
        if not (has_analog_errors(self.config) or self.config.stuck_on or self.config.stuck_off):
            return []
        groups = len(self.mapped.scale)
        return [
            ((group, number, part), index) for group in range(groups) for part, index in enumerate(self.tile_columns())
        ]

    def _as_signals(self, cells: np.ndarray, added: bool = False) -> np.ndarray:
        """[groups, signals, rows] of [slices, sides, groups, columns, rows]; pairs are subtracted, or ``added``."""
        if self.pairs_subtracted:
            cells = cells[:, :1] + cells[:, 1:] if added else cells[:, :1] - cells[:, 1:]
        return cells.transpose(2, 0, 1, 3, 4).reshape(cells.shape[2], -1, cells.shape[4])

    def _through_wires(self, number: int, cells: np.ndarray) -> np.ndarray:
        """[groups, signals, rows]: effective conductances of ``cells``, every array solved with its wires."""
        from simulator.analog.parasitics import effective_conductances, effective_interleaved

        interleaved = self.config.topology == "interleaved"
        effective = np.empty((cells.shape[0], 1 if interleaved else cells.shape[1], *cells.shape[2:]))
        for index in self.tile_columns():
            tile = cells[:, :, :, index].swapaxes(-1, -2)
            if interleaved:
                solved = effective_interleaved(tile[:, 0], tile[:, 1], **self.wires())[:, None]
            else:
                solved = effective_conductances(tile, **self.wires())
            effective[:, :, :, index] = solved.swapaxes(-1, -2)
        if not interleaved:
            return self._as_signals(effective)
        return effective.transpose(2, 0, 1, 3, 4).reshape(effective.shape[2], -1, effective.shape[4])
