"""Where weights lie: the arrays that a layer takes, and how much of them it fills."""

from __future__ import annotations

from dataclasses import dataclass

from backends.sram_acim.target import AcimTarget
from backends.workload import LayerWork


@dataclass(frozen=True)
class Placement:
    """One convolution on its arrays.

    weight_bits   columns that a weight takes side by side
    row_parts     arrays that an output's rows run through
    column_parts  arrays side by side
    packed        groups that lie on the diagonal of an array, all driven at once: their other cells hold 0
    arrays        of all groups
    used_rows     mean rows of an array that hold weights
    utilisation   share of the arrays' cells that hold weights
    """

    weight_bits: int
    row_parts: int
    column_parts: int
    packed: int
    arrays: int
    used_rows: float
    utilisation: float


def place(work: LayerWork, target: AcimTarget, weight_bits: int) -> Placement:
    """All bits of a weight lie in one array; rows and outputs that do not fit take further ones."""
    array = target.array
    weights_along = array.columns // weight_bits
    packed = max(1, min(array.rows // work.rows, weights_along // work.outputs, work.groups))
    row_parts, column_parts = -(-work.rows // array.rows), -(-work.outputs // weights_along)
    arrays = -(-work.groups // packed) * row_parts * column_parts
    cells = work.rows * work.outputs * work.groups * weight_bits
    return Placement(
        weight_bits=weight_bits,
        row_parts=row_parts,
        column_parts=column_parts,
        packed=packed,
        arrays=arrays,
        used_rows=work.rows * work.groups * column_parts / arrays,
        utilisation=cells / (arrays * (array.rows + array.spare_rows) * array.columns),
    )
