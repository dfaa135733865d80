"""The planner of requantisations' two compiled loops: the search for multipliers, the proof by exhaustion."""

from __future__ import annotations

import numba
import numpy as np

#: multipliers tried on each side of the ideal one
MAX_RADIUS = 256


@numba.njit(cache=True)
def _bits(value: int) -> int:
    count = 0
    while value > 0:
        value >>= 1
        count += 1
    return count


@numba.njit(cache=True)
def _digit_cost(multiplier: int, operand_width: int, total_width: int) -> int:
    """Search passes and shift steps of adding multiplier * operand digit by digit into a sum of total_width bits."""
    cost = 0
    shift = 0
    rest = abs(multiplier)
    while rest:
        if rest & 1:
            ripple = max(0, total_width - shift - operand_width)
            cost += 4 * operand_width + 2 * ripple + 2 * (operand_width + total_width - shift)
            rest -= 2 - (rest & 3)
        rest >>= 1
        shift += 1
    return cost


@numba.njit(cache=True)
def search(
    slope: float,
    ratios: np.ndarray,
    main: tuple[int, int],
    combinations: np.ndarray,
    values: np.ndarray,
    thresholds: np.ndarray,
    nudges: np.ndarray,
    accumulator: bool,
    limits: tuple[int, int, int, int],
) -> tuple[np.int64, ...]:
    """The cheapest shift-add form of a staircase: (cost, shift, M_0, deltas of the other multipliers packed as base-3
    digits, least B, greatest B); shift -1 if there is none.

    ``nudges``: what is added besides B next to every threshold; ``limits``: the least and the most shift, how many are
    tried beyond the first that admits a plan, and how many thresholds are looked at before the search ends.
    """
    main_lo, main_hi = main
    n_combinations, n_levels = thresholds.shape
    n_others = ratios.shape[0]
    best = (np.int64(1) << 60, np.int64(-1), np.int64(0), np.int64(0), np.int64(0), np.int64(0))
    others = np.zeros(n_others, np.int64)
    first = -1
    looked = 0
    for shift in range(limits[0], limits[1] + 1):
        if first >= 0 and shift > first + limits[2]:
            break
        ideal = slope * 2.0**shift
        radius = int(ideal * min(1.0, 2.0 * slope / n_levels)) + 1  # what the thresholds' spread leaves open
        radius = min(radius, MAX_RADIUS)
        if ideal * max(abs(main_lo), abs(main_hi)) > 2.0**58:
            break  # beyond what 64-bit sums hold
        middle = int(np.round(ideal))
        for multiplier in range(max(1, middle - radius), middle + radius + 1):
            for code in range(3**n_others):
                if looked > limits[3]:
                    return best
                rest_code = code
                for i in range(n_others):
                    others[i] = np.int64(np.round(multiplier * ratios[i])) + rest_code % 3 - 1
                    rest_code //= 3
                low, high = -(np.int64(1) << 60), np.int64(1) << 60
                t_low, t_high = np.int64(1) << 60, -(np.int64(1) << 60)
                for row in range(n_combinations):
                    rest = np.int64(0)
                    for i in range(n_others):
                        rest += others[i] * combinations[row, i]
                    t_low = min(t_low, multiplier * main_lo + rest)
                    t_high = max(t_high, multiplier * main_hi + rest)
                    for level in range(n_levels):
                        threshold = thresholds[row, level]
                        edge = (values[level] << shift) - nudges[level]
                        if threshold <= main_hi:
                            low = max(low, edge - max(threshold, main_lo) * multiplier - rest)
                        if threshold - 1 >= main_lo:
                            high = min(high, edge - 1 - min(threshold - 1, main_hi) * multiplier - rest)
                    looked += n_levels
                    if low > high:
                        break
                if low > high:
                    continue
                if first < 0:
                    first = shift
                total = _bits(int(max(abs(t_low + low), abs(t_high + low)))) + 1
                main_width = _bits(max(abs(main_lo), abs(main_hi))) + (1 if main_lo < 0 else 0)
                cost = _digit_cost(multiplier, main_width, total)
                free_start = accumulator and -(-low // multiplier) * multiplier <= high
                if free_start and multiplier & (multiplier - 1) == 0:
                    cost = 0  # the accumulator itself, read at a shift
                elif free_start:
                    cost -= 2 * main_width  # a copy in place of the first addition
                else:
                    cost += total
                for i in range(n_others):
                    width = _bits(max(abs(combinations[:, i].min()), abs(combinations[:, i].max())))
                    cost += _digit_cost(int(others[i]), width, total)
                cost += 4 * (total - shift)
                if cost < best[0]:
                    best = (np.int64(cost), np.int64(shift), np.int64(multiplier), np.int64(code), low, high)
    return best


@numba.njit(cache=True, nogil=True)
def equal_everywhere(
    numbers: tuple[int, int, int, int, int, int],
    ties: tuple[int, int, int],
    others: np.ndarray,
    main: tuple[int, int],
    combinations: np.ndarray,
    values: np.ndarray,
    thresholds: np.ndarray,
    lowest: int,
) -> bool:
    """ScalePlan.evaluate (written out, without arrays of points) against the staircase on every point."""
    multiplier, initial, bias, shift, lo, hi = numbers
    constant, tie_shift, tie_sign = ties
    for row in range(combinations.shape[0]):
        rest = bias
        for i in range(others.shape[0]):
            rest += others[i] * combinations[row, i]
        wrong = 0
        for level in range(values.shape[0] + 1):
            # between two thresholds the staircase is flat: a loop without branches
            first = main[0] if level == 0 else max(main[0], thresholds[row, level - 1])
            end = main[1] + 1 if level == values.shape[0] else min(main[1] + 1, thresholds[row, level])
            expected = lowest if level == 0 else values[level - 1]
            start = multiplier * (first + initial) + rest
            for step in range(end - first):
                total = start + multiplier * step
                if tie_shift >= 0:
                    total += constant + tie_sign * (((total >> shift) & 1) << tie_shift)
                wrong |= min(max(total >> shift, lo), hi) ^ expected
        if wrong:
            return False
    return True
