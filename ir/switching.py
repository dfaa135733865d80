"""How many cells an instruction flips on average, from its expansion."""

from __future__ import annotations

from functools import cache, lru_cache

from ir.expand import FLAG_CELLS, Cell, Signature, steps
from ir.tables import Table


@lru_cache(maxsize=1 << 16)
def expected_flips(sig: Signature) -> float:
    """Expected flips in one row where every cell is first independent and uniform.

    Flags and the operand bits that one of the next two steps uses again are followed with their joint distribution; a
    bit that comes back later (in the second sweep of MAX and CLAMP) counts as uniform and independent again.
    """
    sequence = steps(sig, search_or=False)
    used = [{step.cells[name] for name in step.table.touched} for step in sequence]
    live: list[Cell] = []
    joint = [1.0]  # probability of each state of the live cells; cell i is bit i of the index
    flips = 0.0
    for number, (step, cells) in enumerate(zip(sequence, used, strict=True)):
        later = set[Cell]().union(*used[number + 1 : number + 3])
        for cell in sorted(cells - set(live)):
            joint = [0.5 * p for p in joint] * 2
            live.append(cell)
        positions = tuple((name, live.index(step.cells[name])) for name in sorted(step.table.touched))
        keep = tuple(i for i, cell in enumerate(live) if cell in later or cell[0] in FLAG_CELLS)
        successors, changed = _transitions(step.table, positions, len(live), keep)
        share = 1.0 if step.receive is None else 0.5  # of the rows that the table applies to
        flips += share * sum(p * count for p, count in zip(joint, changed, strict=True))
        following = [0.0] * (1 << len(keep))
        for p, successor in zip(joint, successors, strict=True):
            following[successor] += p
        joint = following
        live = [live[i] for i in keep]
    return flips


@cache
def _transitions(
    table: Table, positions: tuple[tuple[str, int], ...], cells: int, keep: tuple[int, ...]
) -> tuple[list[int], list[int]]:
    """What ``table`` does to each state of ``cells`` live cells: the state after it, of the cells ``keep`` only, and
    the flips. ``positions``: which live cell each column of the table is."""
    where = dict(positions)
    successors, changed = [], []
    for state in range(1 << cells):
        after = state
        flips = 0
        for item in table.passes:
            tagged = not item.searches or any(
                all(after >> where[name] & 1 == bit for name, bit in search) for search in item.searches
            )
            if tagged:
                for name, bit in item.writes:
                    if after >> where[name] & 1 != bit:
                        after ^= 1 << where[name]
                        flips += 1
        successors.append(sum((after >> source & 1) << target for target, source in enumerate(keep)))
        changed.append(flips)
    return successors, changed
