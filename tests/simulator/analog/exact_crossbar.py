"""A crossbar in exact rational arithmetic, cell by cell, as the facts page defines it. It shares nothing with the
package."""

from __future__ import annotations

import math
from fractions import Fraction as F

import numpy as np

from simulator.analog.config import CrossbarConfig


def split(count: int, most: int) -> list[range]:
    number = math.ceil(count / most) if most else 1
    sizes = sorted(count // number + (index < count % number) for index in range(number))
    return [range(sum(sizes[:index]), sum(sizes[: index + 1])) for index in range(number)]


def clip(value: F, low: F, high: F) -> F:
    return min(max(value, low), high)


def uniform(value: F, low: F, high: F, levels: int) -> F:
    return round((clip(value, low, high) - low) * (levels - 1) / (high - low)) * (high - low) / (levels - 1) + low


class ExactCrossbar:
    """``weights`` (out, in). ``ranges``: of every row part and slice; None: from the configuration. ``cells``:
    conductances [slices][sides][columns][rows] instead of the ideal ones."""

    def __init__(
        self,
        weights: np.ndarray,
        config: CrossbarConfig,
        input_range: tuple[float, float],
        ranges: list[list[tuple[float, float]]] | None = None,
        cells: np.ndarray | None = None,
    ) -> None:
        self.c, self.ranges, self.cells = config, ranges, cells
        self.low = F(0) if math.isinf(config.on_off_ratio) else 1 / F(config.on_off_ratio)
        self.reach = 1 - self.low
        self.weights = [[F(float(w)) for w in row] for row in weights]
        low, high = F(input_range[0]), F(input_range[1])
        self.scale = F(2 if config.dac_signed else 1) / (high - low)
        self.m = config.dac_bits - 1 if config.dac_signed else config.dac_bits
        kinds = {"two_columns": "differential", "offset_cell": "binary", "xnor_rows": "binary", None: config.mapping}
        self.kind = kinds[config.binary_mapping]

    def largest(self, row: int) -> F:
        if self.c.binary_mapping:
            return F(1)
        pool = self.weights[row] if self.c.weight_max_per == "column" else sum(self.weights, [])
        sizes = [abs(w) for w in pool]
        if self.c.weight_max == "max":
            return max(sizes) or F(1)
        return F(float(np.percentile([float(s) for s in sizes], self.c.weight_max))) or F(1)

    # -- cells

    def bits(self) -> int:
        c = self.c
        if c.binary_mapping:
            return 1
        if c.slices == 1:
            return c.cell_bits
        b = c.weight_bits
        assert b is not None
        if b % c.slices == 0:
            return b // c.slices
        return math.ceil((b - 1) / c.slices) if self.kind == "differential" else math.ceil(b / c.slices)

    def quantised(self, g: F) -> F:
        if not self.bits():
            return g
        levels = 2 ** self.bits() - 1
        return round((g - self.low) * levels / self.reach) * self.reach / levels + self.low

    def pair_or_cell(self, w: F, k: int) -> list[F]:
        """Conductances of slice k of a weight in [-1, 1]."""
        c, gm, gr = self.c, self.low, self.reach
        if self.kind == "binary":
            return [gm + gr * (w > 0)]
        if c.slices == 1 and self.kind == "differential":
            if c.differential_style == "two_sided" and not c.binary_mapping:
                return [self.quantised(gm + gr * (1 + w) / 2), self.quantised(gm + gr * (1 - w) / 2)]
            r = F(1, 2 ** (self.bits() + 1)) if self.bits() else F(0)
            plus = gm + gr * w if w >= r else gm
            minus = gm - gr * w if w < -r else gm
            return [self.quantised(plus), self.quantised(minus)]
        if c.slices == 1:
            return [self.quantised(self.offset_reach() * (w / 2 + F(1, 2)) + 1 - self.offset_reach())]
        assert c.weight_bits is not None
        base, top = 2 ** self.bits(), 2 ** (c.weight_bits - 1) - 1
        whole = round(w * top + (0 if self.kind == "differential" else 2 ** (c.weight_bits - 1)))
        digit = abs(whole) // base**k % base if k < c.slices - 1 else abs(whole) // base**k
        assert digit < base
        a = gm + gr * F(digit, base - 1)
        if self.kind == "offset":
            return [a]
        return [a, gm] if whole >= 0 else [gm, a]

    def offset_reach(self) -> F:
        b = self.bits()
        return self.reach * F(2**b - 2, 2**b - 1) if b else self.reach

    # -- one array

    def adc(self, value: F, part: int, k: int) -> F:
        if not self.c.adc_bits:
            return value
        assert self.ranges is not None
        # Ranges are simple fractions that were rounded to floats; codes that tie do so for the fractions.
        low, high = (F(end).limit_denominator(10**7) for end in self.ranges[part][k])
        return uniform(value, low, high, 2**self.c.adc_bits - self.c.adc_sign_magnitude)

    def inputs(self, x: np.ndarray) -> list[F]:
        """u of every logical row, behind the DAC."""
        c = self.c
        u = [F(float(value)) * self.scale for value in x]
        if not c.dac_bits:
            return u
        if c.dac_signed:
            return [uniform(value, F(-1), F(1), 2**c.dac_bits - 1) for value in u]
        return [uniform(value, F(0), F(1), 2**c.dac_bits) for value in u]

    def digits(self, u: F) -> list[F]:
        """Input slices, lowest first, each of full scale 1."""
        t, whole = self.c.input_slice_bits, round(abs(u) * (2**self.m - 1))
        sign = 1 if u >= 0 else -1
        count = math.ceil(self.m / t)
        return [F(sign * (whole // 2 ** (t * i) % 2**t), 2**t - 1) for i in range(count)]

    def read(self, current, u: list[F], part: int, k: int) -> F:  # type: ignore[no-untyped-def]
        """What the ADC makes of ``current(u)``, input slice by input slice."""
        c = self.c
        if not c.input_slice_bits:
            return self.adc(current(u), part, k)
        t, slices = c.input_slice_bits, list(zip(*[self.digits(value) for value in u], strict=True))
        acc = F(0)
        for own in slices:
            value = current(list(own))
            acc = (acc + (self.adc(value, part, k) if c.adc_per_input_slice else value)) / 2**t
        acc *= (2**t - 1) * F(2) ** (t * len(slices) - self.m) * F(2**self.m, 2**self.m - 1)
        return acc if c.adc_per_input_slice else self.adc(acc, part, k)

    def conductance(self, k: int, side: int, column: int, row: int, w: F) -> F:
        if self.cells is not None:
            cell = F(float(self.cells[k][side][column][row]))
            erroneous = self.c.programming_error is not None or self.c.drift is not None or not self.bits()
            return cell if erroneous else cell.limit_denominator(10**7)
        return self.pair_or_cell(w, k)[side]

    # -- outputs

    def mvm(self, x: np.ndarray) -> list[float]:
        u = self.inputs(x)
        weights = self.weights
        if self.c.binary_mapping == "xnor_rows":
            u = [half for value in u for half in (max(value, F(0)), max(-value, F(0)))]
            weights = [[half for w in row for half in (w, -w)] for row in weights]
        return [float(self.output(row, weights[row], u)) for row in range(len(weights))]

    def output(self, row: int, weights: list[F], u: list[F]) -> F:
        c = self.c
        wm = self.largest(row)
        w = [clip(value / wm, F(-1), F(1)) for value in weights]
        total = [F(0)] * c.slices
        for part, rows in enumerate(split(len(w), c.rows_max)):
            inputs = [u[i] for i in rows]
            for k in range(c.slices):
                total[k] += self.column(row, [(i, w[i]) for i in rows], inputs, part, k)
        everything = sum(u, F(0))
        if self.kind == "binary":
            return (2 * (total[0] - self.low * everything) / self.reach - everything) / self.scale
        unit = c.offset_subtraction == "unit_column"
        if c.slices == 1:
            if self.kind == "differential":
                return total[0] * wm / (self.reach * self.scale)
            reach = self.offset_reach()
            middle = F(0) if unit else (1 - reach / 2) * everything
            return (total[0] - middle) * 2 * wm / (reach * self.scale)
        assert c.weight_bits is not None
        base = 2 ** self.bits()
        offset = self.kind == "offset" and not unit
        parts = [(o - (self.low * everything if offset else 0)) / self.reach for o in total]
        y = (base - 1) * sum((base**k * o for k, o in enumerate(parts)), F(0))
        y -= 2 ** (c.weight_bits - 1) * everything if offset else 0
        return y / (2 ** (c.weight_bits - 1) - 1) * wm / self.scale

    def column(self, column: int, w: list[tuple[int, F]], u: list[F], part: int, k: int) -> F:
        """What one output's cells in one array amount to, digitised."""

        def current(side: int, own: int, values: list[tuple[int, F]]):  # type: ignore[no-untyped-def]
            g = [self.conductance(k, side, own, i, value) for i, value in values]
            return lambda drive: sum((a * b for a, b in zip(g, drive, strict=True)), F(0))

        plus = current(0, column, w)
        if self.kind == "differential":
            minus = current(1, column, w)
            if self.c.subtract_in_analog:
                return self.read(lambda drive: plus(drive) - minus(drive), u, part, k)
            return self.read(plus, u, part, k) - self.read(minus, u, part, k)
        if self.kind == "offset" and self.c.offset_subtraction == "unit_column":
            columns = split(len(self.weights), self.c.columns_max)
            own = len(self.weights) + next(index for index, part in enumerate(columns) if column in part)
            unit = current(0, own, [(i, F(0)) for i, _ in w])
            return self.read(plus, u, part, k) - self.read(unit, u, part, k)
        return self.read(plus, u, part, k)
