"""What resistive wires make of a crossbar's conductances, exactly.

The networks are linear in the inputs where rows are driven (topologies ``input`` and ``interleaved``): the current of
a column is ``geff.T @ u``, with effective conductances that are found once for a programmed array. Networks:
definitions of CrossSim v3.2.0, checked, but for the terminal of a row, which is in the driver's segment. Conductances
are in 1/Rmin, resistances in Rmin (Rp/Rmin); either wire may have none. ``ladder`` has topology ``separate_source``.
"""

from __future__ import annotations

import numpy as np

from simulator.analog.ladder import separate_source_currents
from simulator.analog.nested import sense_transfer

__all__ = ["effective_conductances", "effective_interleaved", "separate_source_currents"]


def effective_conductances(
    g: np.ndarray,
    *,
    row_resistance: float = 0.0,
    column_resistance: float = 0.0,
    row_terminal: float = 0.0,
    column_terminal: float = 0.0,
) -> np.ndarray:
    """Effective conductances of topology ``input``: float64(..., rows, columns) as ``g``, conductances >= 0, exact.

    Row i: source u_i - (row_resistance + row_terminal) - node(i, 0) - row_resistance - node(i, 1) ...; column j:
    node(0, j) - column_resistance - node(1, j) ... - (column_resistance + column_terminal) - 0 V, where its current is
    sensed; cell g[i, j] from row node to column node.
    """
    g = np.asarray(g, np.float64)
    rows, columns = g.shape[-2:]
    row, column = _segments(columns, row_resistance), _segments(rows, column_resistance)
    row[:1] += row_terminal
    column[-1:] += column_terminal
    return _transfer(g, row, column)


def effective_interleaved(
    g_plus: np.ndarray,
    g_minus: np.ndarray,
    *,
    row_resistance: float = 0.0,
    column_resistance: float = 0.0,
    row_terminal: float = 0.0,
    column_terminal: float = 0.0,
) -> np.ndarray:
    """Effective conductances of topology ``interleaved``, ``g_plus - g_minus`` where wires have no resistance.

    As ``effective_conductances``, but with two row wires for an input, driven by u and by -u, and both cells of a
    pair on the same node of the column: one column_resistance for a pair.
    """
    g = np.stack([g_plus, g_minus], axis=-2).astype(np.float64)
    *leading, rows, _, columns = g.shape
    row, column = _segments(columns, row_resistance), _segments(2 * rows, column_resistance)
    row[:1] += row_terminal
    column[0::2] = 0.0  # between the cells of a pair
    column[-1:] += column_terminal
    both = _transfer(g.reshape(*leading, 2 * rows, columns), row, column)
    return both[..., 0::2, :] - both[..., 1::2, :]


def _segments(count: int, resistance: float) -> np.ndarray:
    return np.full(count, resistance, np.float64)


def _transfer(g: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    if not g.size or not (row.any() or column.any()):
        return g.copy()
    arrays = np.ascontiguousarray(g).reshape(-1, *g.shape[-2:])
    return sense_transfer(arrays, row, column).reshape(g.shape)
