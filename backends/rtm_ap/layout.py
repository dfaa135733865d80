"""Where fields lie in an array, and how a layer is cut into tiles that fit one.

Two ways to lay out a tile share the columns alike, from the left: flags, accumulators, inputs, temporaries.

- ``AlongLayout``: fields lie along nanowires. Accumulators are stacked along their wires; inputs that are summed
  together take one column each, the next such group lies further along the same wires; every temporary, total and
  gathered operand has a column of its own.
- ``AcrossLayout``: fields lie across columns. Temporaries, and what a requantisation needs, stay at domain 0 and never
  shift: a register file. Accumulators lie one per domain in columns of their own, and step once an output;
  input groups lie one per domain, and step once a group.

When the last input has been used, outputs take the inputs' columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backends.rtm_ap.arithmetic import HELD
from backends.rtm_ap.shared_sums import Region
from ir.errors import UserError
from ir.isa import FLAG_COLUMNS, Field


class CapacityError(UserError):
    """A layer that fits no tiling of the target's arrays."""


@dataclass(frozen=True)
class Geometry:
    """Columns of one array, and domains of a nanowire."""

    columns: int
    domains: int


@dataclass(frozen=True, eq=False)
class Demand:
    """What a tile needs room for.

    ``accumulators``, ``outputs``: field widths of its channels (int64; 0: there is none); ``inputs``: how many there
    are, all given ``input_width`` bits; ``together``: how many are summed together, in different columns (at most all);
    ``operands``: widths of the gathered operands of a requantisation; ``total``: width of its total; ``row_sum``: width
    of the narrow sum of one output's terms, 0: none is made; ``temporaries``: columns for temporaries along wires.
    """

    accumulators: np.ndarray
    outputs: np.ndarray
    inputs: int
    input_width: int
    together: int
    operands: tuple[int, ...]
    total: int
    row_sum: int
    temporaries: int


class Layout(Protocol):
    """Where the parts of one tile lie."""

    @property
    def region(self) -> Region:
        """The columns for temporaries."""

    @property
    def inputs_at_once(self) -> int:
        """How many inputs are loaded together."""

    def accumulators(self) -> np.ndarray:
        """HELD records, one a channel, that hold nothing yet."""

    def input_places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns and domains of inputs that are loaded together."""

    def output(self, channel: int, width: int, signed: bool) -> Field:
        """The place of an output."""

    def total(self, width: int, signed: bool) -> Field:
        """The place of a requantisation's total. Raises CapacityError where it is too wide."""

    def tie(self) -> Field:
        """One bit beside the total."""

    def operand(self, index: int) -> tuple[int, int]:
        """Column and domain of a gathered operand."""


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


def _nothing_held(count: int) -> np.ndarray:
    places = np.zeros(count, HELD)
    places["sign"] = 1
    return places


class AlongLayout:
    """Fields along nanowires."""

    def __init__(self, geometry: Geometry, demand: Demand) -> None:
        """Raises CapacityError where the demand does not fit."""
        self._geometry, self._demand = geometry, demand
        first = FLAG_COLUMNS + 2 + len(demand.operands)
        *self._accumulators, self._inputs = stack(demand.accumulators, geometry.domains, first)
        *self._outputs, outputs_end = stack(demand.outputs, geometry.domains, self._inputs)
        self._input_columns = geometry.columns - self._inputs - demand.temporaries
        if demand.input_width > geometry.domains:
            raise CapacityError(f"an input of {demand.input_width} bits does not fit {geometry.domains} domains")
        if self._input_columns < (demand.together if demand.inputs else 0) or outputs_end > geometry.columns:
            raise CapacityError("too many columns are needed")
        self._stride = self._input_columns // demand.together * demand.together

    @property
    def region(self) -> Region:
        first, total = self._inputs + self._input_columns, min(1, self._demand.row_sum)
        return Region(first, self._demand.temporaries, across=False, total=total, room=self._geometry.domains)

    @property
    def inputs_at_once(self) -> int:
        return self._stride * (self._geometry.domains // self._demand.input_width)

    def accumulators(self) -> np.ndarray:
        places = _nothing_held(len(self._demand.accumulators))
        places["column"], places["domain"] = self._accumulators
        return places

    def input_places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        slot, column = np.divmod(np.arange(count), self._stride)
        return self._inputs + column, slot * self._demand.input_width

    def output(self, channel: int, width: int, signed: bool) -> Field:
        columns, domains = self._outputs
        return Field(int(columns[channel]), int(domains[channel]), width, signed)

    def total(self, width: int, signed: bool) -> Field:
        if width > self._geometry.domains:
            raise CapacityError(
                f"a requantisation needs {width} bits, more than the {self._geometry.domains} domains of a nanowire"
            )
        return Field(FLAG_COLUMNS, 0, width, signed)

    def tie(self) -> Field:
        return Field(FLAG_COLUMNS + 1, 0, 1)

    def operand(self, index: int) -> tuple[int, int]:
        return FLAG_COLUMNS + 2 + index, 0


class AcrossLayout:
    """Fields across columns."""

    def __init__(self, geometry: Geometry, demand: Demand) -> None:
        """Raises CapacityError where the demand does not fit."""
        self._geometry, self._demand = geometry, demand
        layers = -(-len(demand.outputs) // geometry.domains)
        self._width = int(demand.accumulators.max(initial=0))
        self._output_width = int(demand.outputs.max(initial=0))
        self._inputs = FLAG_COLUMNS + layers * self._width
        end = self._inputs + max(demand.together * demand.input_width, layers * self._output_width)
        scratch = demand.total + 1 + sum(demand.operands)
        columns = geometry.columns - end
        if columns < max(demand.row_sum, scratch):
            raise CapacityError("too many columns are needed")
        self._region = Region(end, columns, across=True, total=demand.row_sum, room=columns)

    @property
    def region(self) -> Region:
        return self._region

    @property
    def inputs_at_once(self) -> int:
        return self._demand.together * self._geometry.domains

    def accumulators(self) -> np.ndarray:
        places = _nothing_held(len(self._demand.accumulators))
        layer, domain = np.divmod(np.arange(len(places)), self._geometry.domains)
        places["column"], places["domain"] = FLAG_COLUMNS + layer * self._width, domain
        places["across"] = True
        return places

    def input_places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        group, position = np.divmod(np.arange(count), self._demand.together)
        return self._inputs + position * self._demand.input_width, group

    def output(self, channel: int, width: int, signed: bool) -> Field:
        layer, domain = divmod(channel, self._geometry.domains)
        return Field(self._inputs + layer * self._output_width, domain, width, signed, across=True)

    def total(self, width: int, signed: bool) -> Field:
        return Field(self._region.column, 0, width, signed, across=True)

    def tie(self) -> Field:
        return Field(self._region.column + self._demand.total, 0, 1, across=True)

    def operand(self, index: int) -> tuple[int, int]:
        return self._region.column + self._demand.total + 1 + sum(self._demand.operands[:index]), 0


def layout_of(geometry: Geometry, demand: Demand, across: bool) -> Layout:
    """Raises CapacityError where the demand does not fit."""
    return AcrossLayout(geometry, demand) if across else AlongLayout(geometry, demand)
