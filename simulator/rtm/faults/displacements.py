"""What the failed steps of shift operations add up to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.rtm.faults.model import ShiftFaults

forget_stale(__file__)

OVER, UNDER, PINNED = 0, 1, 2


@dataclass(frozen=True, eq=False)
class FailedSteps:
    """Candidates of shift operations, all int64[n]: ``operation``, a number that ascends with time; ``step`` of its
    ``steps`` (negative: downwards); ``row``. ``uniform``: float64[n], what decides the outcome."""

    operation: np.ndarray
    step: np.ndarray
    steps: np.ndarray
    row: np.ndarray
    uniform: np.ndarray


def displacements(failed: FailedSteps, shift: ShiftFaults, correct: int) -> tuple[np.ndarray, np.ndarray, Counter[str]]:
    """What stays displaced after the operations: (index of a candidate of the operation and row, amount), int64[n]
    each, by operation and row, and how often what happened. A displacement by at most ``correct`` is put back."""
    kept, outcome = _outcomes(failed, shift)
    row = failed.row[kept]
    wire = failed.operation[kept] * (int(row.max(initial=0)) + 1) + row
    order = np.lexsort((failed.step[kept], wire))
    index, outcome, wire = kept[order], outcome[order], wire[order]
    amounts, counts = np.zeros(len(index), np.int64), np.zeros(4, np.int64)
    _add_up(wire, failed.step[index], failed.steps[index], outcome, correct, amounts, counts)
    lasting = np.flatnonzero(amounts)
    names = ("over", "under", "pinned", "corrected")
    return index[lasting], amounts[lasting], Counter(dict(zip(names, counts.tolist(), strict=True)))


def _outcomes(failed: FailedSteps, shift: ShiftFaults) -> tuple[np.ndarray, np.ndarray]:
    """The candidates that do fail (indices), and OVER, UNDER or PINNED for each."""
    if shift.by_distance:
        distances = np.minimum(np.abs(failed.steps), len(shift.by_distance))
        chosen = np.array(shift.by_distance)[distances - 1] / shift.candidate_rate
        kept = np.flatnonzero((failed.step == 0) & (failed.uniform < chosen))
        return kept, np.where(failed.uniform[kept] < chosen[kept] / 2, OVER, UNDER)
    draw = failed.uniform * shift.per_step
    outcome = np.where(draw < shift.over, OVER, np.where(draw < shift.over + shift.under, UNDER, PINNED))
    return np.arange(len(draw)), outcome


@njit(cache=True, nogil=True)
def _add_up(
    wire: np.ndarray,
    step: np.ndarray,
    steps: np.ndarray,
    outcome: np.ndarray,
    correct: int,
    amounts: np.ndarray,
    counts: np.ndarray,
) -> None:
    """``amounts`` of the first candidate of each operation and wire; ``counts``: of each outcome, and of operations
    that were corrected. All int64; candidates by ``wire`` (operation and row), then step."""
    i = 0
    while i < len(wire):
        first, total, pinned = i, 0, False
        sign = 1 if steps[first] > 0 else -1
        while i < len(wire) and wire[i] == wire[first]:
            if not pinned:
                counts[outcome[i]] += 1
                if outcome[i] == OVER:
                    total += sign
                elif outcome[i] == UNDER:
                    total -= sign
                else:
                    total -= steps[first] - sign * step[i]
                    pinned = True
            i += 1
        if abs(total) > correct:
            amounts[first] = total
        elif total != 0:
            counts[3] += 1
