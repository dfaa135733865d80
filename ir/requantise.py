"""Requantisation by shift and add, proven exact on the whole range of its operands.

``q = clamp(round(sum_i m_i x_i + c) + zero_point, lo, hi)`` with exact rationals is a monotone staircase in each
operand, so it is known completely by its thresholds. A *plan* computes the same staircase with integers:

- ``ScalePlan``: ``clamp((sum_i M_i x_i + B) >> s)``. For a shift s and multipliers M the admissible B form an
  interval, because every threshold gives one lower and one upper bound; the cheapest non-empty one wins.
- ``StepPlan``: one comparison a threshold, cheaper for few levels.
- ``ConstantPlan``: where the staircase has no step within the operands' ranges.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ir.errors import UserError
from ir.requantise_kernels import equal_everywhere, search
from ir.rounding import Rounding
from ir.types import IntType

Interval = tuple[int, int]

#: how many combinations of the operands beside the main one are enumerated at most
MAX_COMBINATIONS = 1 << 14
MAX_SHIFT = 44
MAX_PROOF_POINTS = 1 << 26
#: shifts tried beyond the first that admits a plan, in search of fewer digits
EXTRA_SHIFTS = 6
#: thresholds looked at by one search, and by each of the many that look for a correction for ties
SEARCH_BUDGET, TIE_SEARCH_BUDGET = 1 << 31, 1 << 24


@dataclass(frozen=True)
class Staircase:
    """One channel of a Requantise: exact multipliers (one an operand), offset, and the clamp."""

    multipliers: tuple[Fraction, ...]
    offset: Fraction
    zero_point: int
    lo: int
    hi: int
    rounding: Rounding
    bipolar: bool

    def levels(self) -> list[tuple[int, Fraction, bool]]:
        """(output value, least real t that reaches it, whether t itself does) for every value above the lowest."""
        if self.bipolar:
            return [(1, Fraction(0), True)]
        return [(q, *self.rounding.boundary(q - self.zero_point)) for q in range(self.lo + 1, self.hi + 1)]

    @property
    def lowest(self) -> int:
        return -1 if self.bipolar else self.lo


@dataclass(frozen=True)
class Tie:
    """Round half to even where ties occur: after the sum, add ``constant`` and ``sign`` * (bit << shift), where bit is
    the lowest bit of the quotient of the sum. It moves the odd and the even ties to different sides."""

    constant: int
    shift: int
    sign: int


@dataclass(frozen=True)
class ScalePlan:
    """q = clamp((M_0 * (sign * x_0 + initial) + sum_{i>0} M_i x_i + bias) >> shift, lo, hi), with M_0 > 0.

    ``initial`` is where an accumulator x_0 starts, ``bias`` what must be added apart from it.
    """

    sign: int
    multipliers: tuple[int, ...]
    initial: int
    bias: int
    shift: int
    lo: int
    hi: int
    tie: Tie | None = None

    def evaluate(self, operands: list[np.ndarray]) -> np.ndarray:
        """The output for int64 operand arrays of one shape."""
        total = self.multipliers[0] * (self.sign * operands[0] + self.initial) + self.bias
        total = total + sum(m * x for m, x in zip(self.multipliers[1:], operands[1:], strict=True))
        if self.tie is not None:
            odd = (total >> self.shift) & 1
            total = total + self.tie.constant + self.tie.sign * (odd << self.tie.shift)
        return np.clip(total >> self.shift, self.lo, self.hi)


@dataclass(frozen=True)
class StepPlan:
    """q = ``lowest``, or the value of the last step (threshold, value) with sign * x >= threshold."""

    sign: int
    lowest: int
    steps: tuple[tuple[int, int], ...]

    def evaluate(self, operands: list[np.ndarray]) -> np.ndarray:
        result = np.full_like(operands[0], self.lowest)
        for threshold, value in self.steps:
            result[self.sign * operands[0] >= threshold] = value
        return result


@dataclass(frozen=True)
class ConstantPlan:
    value: int

    def evaluate(self, operands: list[np.ndarray]) -> np.ndarray:
        return np.full_like(operands[0], self.value)


Plan = ScalePlan | StepPlan | ConstantPlan


@lru_cache(maxsize=1 << 16)
def plan_requantise(stairs: Staircase, intervals: tuple[Interval, ...], accumulator: bool) -> Plan:
    """The cheapest proven plan for operands within ``intervals``; operand 0 is the main one.

    With ``accumulator`` the main operand is being summed up in place, so that an initial value is free.
    Raises UserError where the other operands have too many combinations to be proven.
    """
    if stairs.multipliers[0] == 0:
        raise ValueError("the main operand of a plan must have a multiplier")
    sign = 1 if stairs.multipliers[0] > 0 else -1
    main = intervals[0] if sign > 0 else (-intervals[0][1], -intervals[0][0])
    combinations = _combinations(intervals[1:])
    values, thresholds = _thresholds(stairs, combinations)
    reached = (thresholds <= main[1]).any(axis=0)
    missed = (thresholds - 1 >= main[0]).any(axis=0)
    if not (reached & missed).any():
        return ConstantPlan(int(values[reached][-1]) if reached.any() else stairs.lowest)
    problem = _Problem(stairs, sign, main, combinations, values, thresholds, accumulator)
    candidates = [problem.scale()] if not stairs.bipolar else []
    if len(intervals) == 1:
        candidates.append(problem.steps())
    found = [candidate for candidate in candidates if candidate is not None]
    if not found:
        raise UserError(
            f"no shift-add form of up to {MAX_SHIFT} bits equals this requantisation of several tensors "
            f"(rounding {stairs.rounding.value}): quantise the terms of the addition first"
        )
    plan = min(found, key=lambda candidate: candidate[0])[1]
    if not problem.proves(plan):
        raise AssertionError(f"{plan} differs from its exact staircase: a defect of the planner")
    return plan


def _combinations(intervals: tuple[Interval, ...]) -> np.ndarray:
    """Every combination of the other operands' values: int64 (combinations, operands)."""
    count = math.prod(hi - lo + 1 for lo, hi in intervals)
    if count > MAX_COMBINATIONS:
        raise UserError(
            f"a sum is requantised whose terms take {count} combinations of values beside the first term, more than "
            f"the {MAX_COMBINATIONS} that can be proven exact: quantise the terms of the addition first"
        )
    ranges = [range(lo, hi + 1) for lo, hi in intervals]
    return np.array(list(itertools.product(*ranges)), np.int64).reshape(count, len(intervals))


def _thresholds(stairs: Staircase, combinations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (levels,) and, per combination and level, the least sign * x_0 that reaches the level, exactly."""
    levels = stairs.levels()
    slope, *others = stairs.multipliers
    slope = abs(slope)
    denominator = math.lcm(slope.denominator, stairs.offset.denominator, *(m.denominator for m in others), 2)
    p = int(slope * denominator)
    rest = [int(m * denominator) for m in others]
    targets = [(int(t * denominator), inclusive) for _, t, inclusive in levels]
    constant = int(stairs.offset * denominator)
    thresholds = np.empty((len(combinations), len(levels)), np.int64)
    for row, combination in enumerate(combinations.tolist()):
        known = constant + sum(m * x for m, x in zip(rest, combination, strict=True))
        for column, (target, inclusive) in enumerate(targets):
            gap = target - known
            exact = -(-gap // p) if inclusive else gap // p + 1
            thresholds[row, column] = min(max(exact, -(1 << 40)), 1 << 40)  # far outside any operand's range
    return np.array([q for q, _, _ in levels], np.int64), thresholds


@dataclass(frozen=True, eq=False)
class _Problem:
    """A staircase as numbers: which plans equal it? Candidates come with a cost in search passes and shift steps."""

    stairs: Staircase
    sign: int
    main: Interval
    combinations: np.ndarray
    values: np.ndarray
    thresholds: np.ndarray
    accumulator: bool

    def steps(self) -> tuple[int, Plan]:
        """One comparison a threshold: a sweep over the operand and back, then a write."""
        thresholds = self.thresholds[0]
        reached = thresholds <= self.main[0]
        lowest = int(self.values[reached][-1]) if reached.any() else self.stairs.lowest
        inside = (thresholds > self.main[0]) & (thresholds <= self.main[1])
        # of several values with one threshold only the last is ever seen
        last = dict(zip(thresholds[inside].tolist(), self.values[inside].tolist(), strict=True))
        width = IntType.containing(*self.main).bits
        cost = len(last) * (3 * width + 1 + IntType.containing(self.stairs.lowest, self.stairs.hi).bits)
        return cost, StepPlan(self.sign, lowest, tuple(last.items()))

    def scale(self) -> tuple[int, Plan] | None:
        """The cheapest shift-add form; where ties admit none, the first with a correction for ties."""
        found = self._search(np.zeros(len(self.values), np.int64), 0, MAX_SHIFT, SEARCH_BUDGET)
        if found.shift >= 0:
            return found.cost, self._plan(found, found.low, found.high, None)
        if self.stairs.rounding is not Rounding.HALF_EVEN:
            return None
        odd = (self.values - self.stairs.zero_point - 1) & 1
        for shift in range(1, MAX_SHIFT + 1):
            for tie_shift in range(shift):
                found = self._search(odd << tie_shift, shift, shift, TIE_SEARCH_BUDGET)
                if found.shift >= 0:
                    flipped = self.stairs.zero_point & 1  # the quotient then has the other parity
                    half = 1 << (shift - 1)
                    tie = Tie(half + (flipped << tie_shift), tie_shift, -1 if flipped else 1)
                    plan = self._plan(found, found.low - half, found.high - half, tie)
                    if self.proves(plan):
                        return found.cost, plan
        return None

    def _search(self, nudges: np.ndarray, least_shift: int, most_shift: int, budget: int) -> _Found:
        slope = float(abs(self.stairs.multipliers[0]))
        ratios = np.array([float(m) / slope for m in self.stairs.multipliers[1:]], np.float64)
        limits = (least_shift, most_shift, EXTRA_SHIFTS, budget)
        numbers = search(
            slope, ratios, self.main, self.combinations, self.values, self.thresholds, nudges, self.accumulator, limits
        )
        cost, shift, multiplier, deltas, low, high = (int(number) for number in numbers)
        nearest = [round(multiplier * ratio) for ratio in ratios.tolist()]
        others = (n + delta for n, delta in zip(nearest, _unpack(deltas, len(nearest)), strict=True))
        return _Found(cost, shift, (multiplier, *others), low, high)

    def _plan(self, found: _Found, low: int, high: int, tie: Tie | None) -> ScalePlan:
        """The plan with a constant of [low, high], as the accumulator's initial value where that is possible."""
        initial, bias = 0, _roundest(low, high)
        if self.accumulator:
            least, greatest = -(-low // found.multipliers[0]), high // found.multipliers[0]
            if least <= greatest:
                initial, bias = min(max(0, least), greatest), 0
        plan = ScalePlan(self.sign, found.multipliers, initial, bias, found.shift, self.stairs.lo, self.stairs.hi, tie)
        return plan if tie else _reduced(plan)

    def proves(self, plan: Plan) -> bool:
        """Does the plan equal the staircase on every value of the main operand, for every combination of the others?

        A ScalePlan is evaluated on the whole product of intervals (up to ``MAX_PROOF_POINTS``; above, on both sides of
        every threshold, which decides because plan and staircase are both monotone in the main operand). A StepPlan is
        the staircase written down: both sides of every threshold are looked at.
        """
        span = self.main[1] - self.main[0] + 1
        if isinstance(plan, ScalePlan) and span * len(self.combinations) <= MAX_PROOF_POINTS:
            tie = plan.tie or Tie(0, -1, 0)
            numbers = (plan.multipliers[0], plan.initial, plan.bias, plan.shift, plan.lo, plan.hi)
            others = np.array(plan.multipliers[1:], np.int64)
            ties = (tie.constant, tie.shift, tie.sign)
            stairs = (self.values, self.thresholds, self.stairs.lowest)
            return bool(equal_everywhere(numbers, ties, others, self.main, self.combinations, *stairs))
        staircase = np.concatenate([[self.stairs.lowest], self.values])
        for combination, steps in zip(self.combinations, self.thresholds, strict=True):
            x = np.clip(np.concatenate([self.main, steps - 1, steps]), *self.main)
            operands = [self.sign * x, *(np.full_like(x, v) for v in combination)]
            if not np.array_equal(plan.evaluate(operands), staircase[np.searchsorted(steps, x, side="right")]):
                return False
        return True


@dataclass(frozen=True)
class _Found:
    """Multipliers and a shift (-1: none exist) for which every constant of [low, high] is right."""

    cost: int
    shift: int
    multipliers: tuple[int, ...]
    low: int
    high: int


def _reduced(plan: ScalePlan) -> ScalePlan:
    """Common powers of two taken out: floor((2^k X + B) / 2^s) = floor((X + floor(B / 2^k)) / 2^(s - k))."""
    common = min((m & -m).bit_length() - 1 for m in plan.multipliers if m)
    by = min(common, plan.shift)
    return replace(
        plan, multipliers=tuple(m >> by for m in plan.multipliers), bias=plan.bias >> by, shift=plan.shift - by
    )


def _unpack(code: int, count: int) -> list[int]:
    """Base-3 digits of ``code`` as values of {-1, 0, 1}."""
    return [(code // 3**i) % 3 - 1 for i in range(count)]


def _roundest(low: int, high: int) -> int:
    """The number of [low, high] with the most trailing zero bits, the smallest in magnitude of these."""
    if low <= 0 <= high:
        return 0
    bit = max(abs(low), abs(high)).bit_length()
    while -(-low >> bit) << bit > high if low > 0 else (high >> bit) << bit < low:
        bit -= 1
    return -(-low >> bit) << bit if low > 0 else (high >> bit) << bit
