"""What an SRAM array is: `AcimConfig`, checked field by field. Imports no numerics, so that the command line reads it
quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ir.bit_cycles import Cycles
from ir.errors import UserError
from simulator.analog.acim.fields import FIELDS
from simulator.analog.config_table import ConfigTable, schema_of_table
from simulator.analog.field_specs import checked, schema_of

MOST_FULL_SCALE = 1 << 24
"""float32 holds every sum of a column up to it."""


class AcimConfigError(UserError):
    """An SRAM configuration that cannot be used; the line names the field, its value and what to do."""


@dataclass(frozen=True, kw_only=True)
class AcimConfig(ConfigTable):
    """One kind of SRAM array. Weights are two's complement bit planes, inputs are unsigned and drive the rows in digits
    of ``dac_bits``, lowest first; every (weight bit, digit, row tile) is one conversion. `json_schema` describes every
    field.

    Raises ``AcimConfigError`` for a bad value, and for values that contradict each other.
    """

    error: ClassVar[type[UserError]] = AcimConfigError

    weight_bits: int = 8
    activation_bits: int = 8
    dac_bits: int = 1
    rows: int = 255
    adc_bits: int = 8
    noise_lsb: float = 0.0
    noise_percent_fs: float = 0.0
    offset_lsb: float = 0.0
    gain_sigma: float = 0.0
    inl_lsb: float = 0.0
    hybrid_level: int = 0
    voting: int = 1
    voting_level: int = 0
    voting_rule: str = "mode"

    def __post_init__(self) -> None:
        for name, spec in FIELDS.items():
            object.__setattr__(self, name, checked(name, vars(self)[name], spec, AcimConfigError))
        problem = self._contradiction()
        if problem:
            raise AcimConfigError(problem)

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """A JSON schema (draft 2020-12) of the table that `from_table` reads."""
        return schema_of_table(AcimConfig, {name: schema_of(spec) for name, spec in FIELDS.items()})

    @property
    def cycles(self) -> Cycles:
        """The (weight bit, digit) pairs of every output and row tile."""
        return Cycles(
            self.weight_bits, self.activation_bits, self.dac_bits, self.hybrid_level, self.voting, self.voting_level
        )

    @property
    def digits(self) -> int:
        """Digits D of an input."""
        return self.cycles.digits

    @property
    def full_scale(self) -> int:
        """The sum of a column that is the top code: every row driven fully."""
        return ((1 << self.dac_bits) - 1) * self.rows

    @property
    def top_code(self) -> int:
        """The highest code."""
        return (1 << self.adc_bits) - 1

    @property
    def noise_sigma_lsb(self) -> float:
        """Standard deviation of a conversion's noise in LSB, whichever field gives it."""
        return self.noise_lsb + self.noise_percent_fs / 100 * self.top_code

    @property
    def static_errors(self) -> bool:
        """Whether columns or converters differ from one another."""
        return bool(self.offset_lsb or self.gain_sigma or self.inl_lsb)

    @property
    def lossless(self) -> bool:
        """Whether every conversion returns its sum exactly, or there is none."""
        exact = self.top_code % self.full_scale == 0 and not self.noise_sigma_lsb and not self.static_errors
        return exact or self.hybrid_level >= self.cycles.most_level

    def _contradiction(self) -> str | None:
        if self.noise_lsb and self.noise_percent_fs:
            return f"noise_percent_fs = {self.noise_percent_fs}: noise_lsb = {self.noise_lsb} says the same, give one"
        if self.voting % 2 == 0:
            return f"voting = {self.voting}: must be odd, so that there is a middle"
        if self.voting > 1 and not self.voting_level:
            return f"voting_level = 0: no cycle votes, though voting = {self.voting}: {self.cycles.most_level} is all"
        if self.full_scale > MOST_FULL_SCALE:
            return f"rows = {self.rows}: with dac_bits = {self.dac_bits} beyond a full scale of 2^24, use fewer"
        return None
