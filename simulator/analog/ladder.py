"""Arrays whose inputs switch cells on and off, fed along the columns: every column and input is a ladder of its own."""

from __future__ import annotations

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.analog.threads import in_parts

forget_stale(__file__)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _currents(
    first: int, last: int, g: np.ndarray, bits: np.ndarray, r_supply: float, r_column: float, feed: float, sense: float,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Inputs ``first`` to ``last``. ``g``: float64[rows, columns]; ``bits``: uint8[n, rows]; ``out``: float64[n,
    columns].

    From the far end on, what lies beyond a pair of nodes (supply at V_s, with current I_s; column at V_c, with I_c) is

        I_s = y V_s + (q - 1) I_c,  V_c = (1 - q) V_s + z I_c.

    A cell g between the nodes turns (y, q, z) into (y + g q^2 D, q D, z D) with D = 1 / (1 + g z); segments R_s and
    R_c turn it into (y E, (q + R_s y) E, z + R_c + (1 - q)^2 R_s E) with E = 1 / (1 + R_s y). Terms are positive, 0
    <= q <= 1: no sum cancels, whatever is zero.
    """
    rows, columns = g.shape
    y, q, z = np.empty(columns), np.empty(columns), np.empty(columns)
    for k in range(first, last):
        y[:] = 0.0
        q[:] = 1.0
        z[:] = sense
        segments = 1.0  # from the last pair of nodes on; where no cell is on, they are one long segment
        for i in range(rows - 1, -1, -1):
            if bits[k, i]:
                supply, column = r_supply * segments, r_column * segments
                for j in range(columns):
                    e = 1.0 / (1.0 + supply * y[j])
                    t = 1.0 - q[j]
                    beyond = z[j] + column + t * t * supply * e
                    d = 1.0 / (1.0 + g[i, j] * beyond)
                    near = (q[j] + supply * y[j]) * e
                    y[j] = y[j] * e + g[i, j] * near * near * d
                    q[j] = near * d
                    z[j] = beyond * d
                segments = 0.0
            segments += 1.0
        for j in range(columns):
            out[k, j] = y[j] / (1.0 + (feed + r_supply * segments) * y[j])


def separate_source_currents(
    g: np.ndarray,
    bits: np.ndarray,
    *,
    row_resistance: float = 0.0,
    column_resistance: float = 0.0,
    row_terminal: float = 0.0,
    column_terminal: float = 0.0,
) -> np.ndarray:
    """Sense currents of topology ``separate_source``, exact: float64[columns, n].

    Each column has a supply line, 1 V - row_resistance - s0 - row_resistance - s1 ..., and a column line, c0 -
    column_resistance - c1 ... - column_resistance - 0 V; cell i is between s_i and c_i where input bit i is 1, and
    nowhere else (CrossSim v3.2.0 definition, checked). The terminals are in series with the supply's feed and with
    the sense.

    ``g``: (rows, columns), conductances in 1/Rmin; ``bits``: (rows, n), bool or uint8 of 0 and 1; resistances in
    Rmin, 0 or more. Results do not depend on threads, nor an input's on the others.
    """
    rows, columns = g.shape
    if bits.shape[0] != rows:
        raise ValueError(f"bits have {bits.shape[0]} rows where the array has {rows}")
    out = np.empty((bits.shape[1], columns))
    cells = np.ascontiguousarray(g, np.float64)
    on = np.ascontiguousarray(bits.T, np.uint8)
    resistances = float(row_resistance), float(column_resistance), float(row_terminal), float(column_terminal)
    in_parts(lambda first, last: _currents(first, last, cells, on, *resistances, out), len(out))
    return out.T
