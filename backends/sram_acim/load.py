"""What data do to a layer's arrays: how far its digits drive the rows, and how many cells hold a one."""

from __future__ import annotations

from dataclasses import dataclass

from backends.activity import LayerActivity, default_toggle, input_planes, with_density
from backends.sram_acim.target import AcimTarget
from backends.workload import LayerWork
from ir.bit_cycles import Cycles


@dataclass(frozen=True)
class Load:
    """A convolution's figures for one image.

    cycles     bits and digits of its products
    drive      of every digit, lowest first: mean share of its highest value, over all rows that hold weights
    ones       of every weight bit, lowest first: share of the cells that hold a one
    toggle     share of input bits that change from one word to the next
    """

    cycles: Cycles
    drive: tuple[float, ...]
    ones: tuple[float, ...]
    toggle: float

    @property
    def products(self) -> float:
        """Products that are not 0, as shares of a full one, of one weight over the cycles that convert."""
        cycles = self.cycles
        return sum(
            self.ones[bit] * self.drive[digit]
            for bit in range(cycles.weight_bits)
            for digit in range(cycles.digits)
            if not cycles.digital(bit, digit)
        )

    @property
    def converted_digits(self) -> list[int]:
        """Digits with at least one cycle that converts."""
        return [digit for digit in range(self.cycles.digits) if self.cycles.votes_of(digit)]


def load_of(work: LayerWork, target: AcimTarget, measured: LayerActivity | None) -> Load:
    """Settings of the target first, then what was measured, then the rules of ``backends.activity``."""
    settings = target.workload
    cycles = _cycles(
        target, settings.weight_bits or max(2, work.weight_bits), settings.activation_bits or work.activation_bits
    )
    planes = input_planes(work, cycles.activation_bits, False, measured)
    toggle = settings.input_toggle
    if toggle < 0:
        toggle = measured.toggle if measured is not None else default_toggle(planes)
    driven = _driven(work, planes)
    if settings.input_bit_density >= 0:
        driven = with_density(driven, settings.input_bit_density)
    return Load(cycles, _drive(driven, cycles), _ones(work, settings.weight_bit_density, cycles), toggle)


def _cycles(target: AcimTarget, weight_bits: int, activation_bits: int) -> Cycles:
    hybrid, voting = target.hybrid, target.voting
    return Cycles(
        weight_bits, activation_bits, target.dac.dac_bits, hybrid.hybrid_level, voting.voting, voting.voting_level
    )


def _driven(work: LayerWork, planes: tuple[float, ...]) -> tuple[float, ...]:
    """Densities on the rows: signed inputs are driven with an offset that makes them unsigned, which turns the sign bit
    over, and so is their padding."""
    data = tuple(work.tap_share * plane for plane in planes)
    return (1 - data[0], *data[1:]) if work.signed else data


def _drive(planes: tuple[float, ...], cycles: Cycles) -> tuple[float, ...]:
    """Mean digits over their highest value. ``planes``: most significant first."""
    lowest_first, bits, top = planes[::-1], cycles.dac_bits, (1 << cycles.dac_bits) - 1
    return tuple(
        sum(density * (1 << place) for place, density in enumerate(lowest_first[start : start + bits])) / top
        for start in range(0, cycles.activation_bits, bits)
    )


def _ones(work: LayerWork, density: float, cycles: Cycles) -> tuple[float, ...]:
    """Of the weights in two's complement; half of them where nothing is known."""
    count = sum(number for _, number in work.weight_values)
    if density >= 0 or not count:
        return (density if density >= 0 else 0.5,) * cycles.weight_bits
    return tuple(
        sum(number for value, number in work.weight_values if value >> bit & 1) / count
        for bit in range(cycles.weight_bits)
    )
