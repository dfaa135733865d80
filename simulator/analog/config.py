"""What a crossbar is: `CrossbarConfig`, checked field by field. Imports no numerics, so that the command line reads
it quickly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ir.errors import UserError
from simulator.analog.config_records import Drift, ErrorTable, ProgrammingError, ReadNoise
from simulator.analog.config_table import ConfigTable


class CrossbarConfigError(UserError):
    """A crossbar configuration that cannot be used; the line names the field, its value and what to do."""


Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CrossbarConfig(ConfigTable):
    """One kind of crossbar. Conductances are in units of Gmax = 1/Rmin, inputs in units of the full-scale voltage, so
    an ADC range counts fully driven cells of highest conductance. `json_schema` describes every field.

    Raises ``CrossbarConfigError`` for a bad value, and for values that contradict each other.
    """

    error: ClassVar[type[UserError]] = CrossbarConfigError

    mapping: str = "differential"
    differential_style: str = "one_sided"
    subtract_in_analog: bool = True
    offset_subtraction: str = "digital"
    binary_mapping: str | None = None
    weight_bits: int | None = None
    slices: int = 1
    cell_bits: int = 0
    on_off_ratio: float = math.inf
    weight_max: str | float = "max"
    weight_max_per: str = "matrix"
    dac_bits: int = 0
    dac_signed: bool = True
    input_range: Range = (-1.0, 1.0)
    input_slice_bits: int = 0
    adc_per_input_slice: bool = True
    adc_bits: int = 0
    adc_range: str | Range | tuple[Range, ...] = "max"
    adc_percentile: float = 99.98
    adc_sign_magnitude: bool = False
    rows_max: int = 0
    columns_max: int = 0
    programming_error: ProgrammingError | ErrorTable | None = None
    read_noise: ReadNoise | ErrorTable | None = None
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    drift: Drift | None = None
    row_resistance: float = 0.0
    column_resistance: float = 0.0
    row_terminal: float = 0.0
    column_terminal: float = 0.0
    topology: str = "input"
    precision: str = "float64"

    def __post_init__(self) -> None:
        from simulator.analog.config_checks import checked_fields, contradiction

        for name, value in checked_fields(vars(self)).items():
            object.__setattr__(self, name, value)
        problem = contradiction(self)
        if problem:
            raise CrossbarConfigError(problem)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """A JSON schema (draft 2020-12) of the table that `from_table` reads."""
        from simulator.analog.config_schema import schema

        return schema()

    @property
    def differential(self) -> bool:
        """Whether a weight is the difference of two cells."""
        if self.binary_mapping is not None:
            return self.binary_mapping == "two_columns"
        return self.mapping == "differential"

    @property
    def unit_column(self) -> bool:
        """Whether an extra column of every array is digitised and subtracted."""
        return self.binary_mapping is None and not self.differential and self.offset_subtraction == "unit_column"

    @property
    def slice_bits(self) -> int:
        """Bits a cell holds: of every slice where the weight is sliced, else ``cell_bits`` (binary mappings: 1)."""
        if self.binary_mapping is not None:
            return 1
        return (
            derived_slice_bits(self.weight_bits or 0, self.slices, self.differential)
            if self.slices > 1
            else self.cell_bits
        )

    @property
    def lowest_conductance(self) -> float:
        """Gmin in units of Gmax."""
        return 0.0 if math.isinf(self.on_off_ratio) else 1 / self.on_off_ratio

    @property
    def magnitude_bits(self) -> int:
        """Bits of an input's magnitude behind the DAC (0: no DAC)."""
        return self.dac_bits - 1 if self.dac_bits and self.dac_signed else self.dac_bits

    @property
    def input_slices(self) -> int:
        """How often an array is read for one input."""
        return -(-self.magnitude_bits // self.input_slice_bits) if self.input_slice_bits else 1

    @property
    def resistive(self) -> bool:
        """Whether wires have resistance."""
        return any((self.row_resistance, self.column_resistance, self.row_terminal, self.column_terminal))


def derived_slice_bits(weight_bits: int, slices: int, differential: bool) -> int:
    """Bits a slice holds: B/K where that is whole, else ceil((B-1)/K) of magnitude, or ceil(B/K) with an offset
    (CrossSim v3.2.0 definition, checked)."""
    if weight_bits % slices == 0:
        return weight_bits // slices
    return -(-(weight_bits - differential) // slices)
