"""Where fields lie in an array, and how a layer is cut into tiles that fit one.

Fields lie along nanowires. The columns of a tile, from the left: flags; two for the total of a requantisation and
the lowest bit of its quotient; one a gathered operand; accumulators, stacked along their wires; inputs, the window
positions of a channel side by side in columns of their own and channels stacked along the domains. When the last
input has been used, outputs take the inputs' columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ir.errors import UserError
from ir.isa import FLAG_COLUMNS

#: input columns a tile should have at least, so that a few channels are loaded together
COMFORTABLE_INPUT_COLUMNS = 16


class CapacityError(UserError):
    """A layer that fits no tiling of the target's arrays."""


@dataclass(frozen=True)
class Geometry:
    """Columns and domains a nanowire of one array."""

    columns: int
    domains: int


def stack(widths: np.ndarray, domains: int, first_column: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Stack fields along wires in order: (columns, domains) of every field, and the first column left free.

    Raises CapacityError where a field is wider than a wire is long.
    """
    if len(widths) and widths.max() > domains:
        raise CapacityError(f"a value of {widths.max()} bits does not fit a nanowire of {domains} domains")
    columns, offsets = np.empty(len(widths), np.int64), np.empty(len(widths), np.int64)
    column, offset = first_column, 0
    for i, width in enumerate(widths.tolist()):
        if offset + width > domains:
            column, offset = column + 1, 0
        columns[i], offsets[i] = column, offset
        offset += width
    return columns, offsets, column + 1 if len(widths) else first_column


@dataclass(frozen=True, eq=False)
class TileLayout:
    """One tile: its output channels and where everything lies.

    ``total_column``, ``tie_column``: the requantisation's; ``operand_columns``: one a gathered operand;
    ``accumulator_column``, ``accumulator_domain``: int64 (channels,); ``input_column`` .. ``input_column +
    input_columns`` hold the inputs; ``output_column``/``output_domain``: int64 (channels,), in the inputs' columns.
    """

    channels: np.ndarray
    total_column: int
    tie_column: int
    operand_columns: tuple[int, ...]
    accumulator_column: np.ndarray
    accumulator_domain: np.ndarray
    input_column: int
    input_columns: int
    output_column: np.ndarray
    output_domain: np.ndarray


def _try_layout(
    geometry: Geometry, channels: np.ndarray, accumulators: np.ndarray, outputs: np.ndarray, operands: int, inputs: int
) -> TileLayout | None:
    """The layout of these channels with at least ``inputs`` columns for inputs, or None where they do not fit."""
    total_column, tie_column = FLAG_COLUMNS, FLAG_COLUMNS + 1
    operand_columns = tuple(range(tie_column + 1, tie_column + 1 + operands))
    first = tie_column + 1 + operands
    column, domain, input_column = stack(accumulators, geometry.domains, first)
    output_column, output_domain, end = stack(outputs, geometry.domains, input_column)
    room = geometry.columns - input_column
    if room < inputs or end > geometry.columns:
        return None
    return TileLayout(
        channels=channels,
        total_column=total_column,
        tie_column=tie_column,
        operand_columns=operand_columns,
        accumulator_column=column,
        accumulator_domain=domain,
        input_column=input_column,
        input_columns=room,
        output_column=output_column,
        output_domain=output_domain,
    )


def tile_layer(
    geometry: Geometry, accumulators: np.ndarray, outputs: np.ndarray, operands: int, inputs: int
) -> list[TileLayout]:
    """The fewest equal ranges of output channels that each fit an array.

    ``accumulators``, ``outputs``: field widths a channel (an accumulator of width 0 does not exist); ``operands``:
    columns for gathered operands; ``inputs``: how many inputs there are. Raises CapacityError.
    """
    count = len(outputs)
    tiles = 1
    while True:
        layouts = []
        columns = min(inputs, COMFORTABLE_INPUT_COLUMNS if tiles < count else 1)
        for channels in np.array_split(np.arange(count), tiles):
            layout = _try_layout(geometry, channels, accumulators[channels], outputs[channels], operands, columns)
            if layout is None:
                break
            layouts.append(layout)
        else:
            return layouts
        if tiles == count:
            raise CapacityError(
                f"not even one output channel fits an array of {geometry.columns} columns x {geometry.domains} "
                "domains: use a target with larger arrays, or fewer activation bits"
            )
        tiles = min(count, tiles + max(1, tiles // 8))


def _input_stride(layout: TileLayout, taps: int) -> int:
    """Columns used by inputs: whole channels side by side where one fits."""
    return layout.input_columns // taps * taps if taps <= layout.input_columns else layout.input_columns


def inputs_at_once(layout: TileLayout, domains: int, taps: int, width: int) -> int:
    """How many inputs of ``width`` bits are loaded together: whole channels where one fits.

    Raises CapacityError where an input is wider than a wire is long.
    """
    if width > domains:
        raise CapacityError(f"a value of {width} bits does not fit a nanowire of {domains} domains")
    capacity = _input_stride(layout, taps) * (domains // width)
    return capacity // taps * taps if capacity >= taps else capacity


def place_inputs(layout: TileLayout, taps: int, width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and domains of ``count`` inputs that are loaded together, each given ``width`` domains."""
    slot, column = np.divmod(np.arange(count), _input_stride(layout, taps))
    return layout.input_column + column, slot * width
