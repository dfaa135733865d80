"""Look-up tables of the associative processor, derived from truth tables.

A *pass* tags the rows that match any of its searches, then writes fixed bits into the tagged rows. A table is a
sequence of passes that takes every state of a few cells to its target. Two rules make it correct and frugal:
a pass matches only states that must change, and no pass lands in a state that a later pass matches. The second
is a graph: pass P must come before pass Q where Q lands in a state that P matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import networkx as nx

State = tuple[int, ...]
"""A bit for each column of the table."""
Bits = tuple[tuple[str, int], ...]
"""(column, bit) pairs: a search key (columns that are not listed are masked) or the values of a write."""
Function = Callable[[Mapping[str, int]], Mapping[str, int]]


class LutError(ValueError):
    """The truth table has no valid order of passes."""


@dataclass(frozen=True)
class Pass:
    """Tag the rows that match any of ``searches``, then write ``writes`` into them."""

    searches: tuple[Bits, ...]
    writes: Bits


@dataclass(frozen=True)
class _Table:
    """``changing``: the states to change, in counting order, with all their output bits; ``changes``: with only the
    bits that differ. ``free``: states that never occur and that a search may match."""

    columns: tuple[str, ...]
    changing: dict[State, dict[str, int]]
    changes: dict[State, Bits]
    free: frozenset[State]


@dataclass(frozen=True)
class _Step:
    """A pass with the states it matches and the states its rows end in."""

    content: Pass
    matches: frozenset[State]
    lands: frozenset[State]


def derive_lut(
    columns: Sequence[str],
    function: Function,
    *,
    cleared: Sequence[str] = (),
    possible: Callable[[Mapping[str, int]], bool] | None = None,
    search_or: bool = False,
) -> tuple[Pass, ...]:
    """The passes that take every state of ``columns`` to ``function(state)``.

    ``function`` gives the new bit of every output column. ``cleared``: output columns that hold 0 before and are not
    searched. ``possible``: whether a state can occur (default: all can). Without ``search_or`` every pass has one
    search, and writes only cells that change. With it, passes whose rows end alike share one write, for the fewest
    writes; such a write may include cells that hold the value already. Deterministic. Raises ``LutError`` where no
    order of the passes is valid.
    """
    table = _tabulate(columns, function, cleared, possible)
    for steps in _merged(table) if search_or else _separate(table):
        graph = hazard_graph([(step.matches, step.lands) for step in steps])
        if nx.is_directed_acyclic_graph(graph):
            return tuple(steps[index].content for index in nx.lexicographical_topological_sort(graph))
    raise LutError(f"no order of passes over {'/'.join(columns)} is valid: the states that change form a cycle")


def hazard_graph(passes: Sequence[tuple[frozenset[State], frozenset[State]]]) -> nx.DiGraph:
    """Which pass must come before which. ``passes``: the states each one matches, and those it lands in."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(passes)))
    for first, (matches, _) in enumerate(passes):
        for second, (_, lands) in enumerate(passes):
            if first != second and matches & lands:
                graph.add_edge(first, second)
    return graph


def _tabulate(
    columns: Sequence[str],
    function: Function,
    cleared: Sequence[str],
    possible: Callable[[Mapping[str, int]], bool] | None,
) -> _Table:
    changing: dict[State, dict[str, int]] = {}
    changes: dict[State, Bits] = {}
    free: set[State] = set()
    for state in product((0, 1), repeat=len(columns)):
        bits = dict(zip(columns, state, strict=True))
        if possible is not None and not possible(bits):
            free.add(state)
            continue
        before = bits | dict.fromkeys(cleared, 0)
        target = dict(function(bits))
        change = tuple((name, bit) for name, bit in target.items() if before[name] != bit)
        if change:
            changing[state] = target
            changes[state] = change
    return _Table(tuple(columns), changing, changes, frozenset(free))


def _separate(table: _Table) -> Iterator[list[_Step]]:
    """Candidates with one search a pass: the fewest searches first, at last one search a state."""
    actions: dict[Bits, list[State]] = {}
    for state, change in table.changes.items():
        actions.setdefault(change, []).append(state)
    for covers in product(*(_minimal_covers(table, states) for states in actions.values())):
        chosen = [
            (cube, states, writes)
            for cover, (writes, states) in zip(covers, actions.items(), strict=True)
            for cube in cover
        ]
        yield [_step(table, [cube], states, writes) for cube, states, writes in chosen]
    yield [_step(table, [state], [state], writes) for state, writes in table.changes.items()]


def _merged(table: _Table) -> Iterator[list[_Step]]:
    """Candidates with OR-ed searches: the fewest writes first, then the fewest searches, then the fewest bits."""
    covers = cache(lambda states: _minimal_covers(table, states))
    for writes in range(len(table.changing) + 1):
        options = []
        for groups in _partitions(table, list(table.changing), writes):
            choices = [covers(tuple(states)) for states, _ in groups]
            searches = sum(len(choice[0]) for choice in choices)
            options.append((searches, sum(len(bits) for _, bits in groups), groups, choices))
        for _, _, groups, choices in sorted(options, key=lambda option: option[:2]):
            for chosen in product(*choices):
                yield [_step(table, cover, *group) for cover, group in zip(chosen, groups, strict=True)]


def _partitions(table: _Table, states: list[State], count: int) -> Iterator[list[tuple[list[State], Bits]]]:
    """All ways to split ``states`` into ``count`` groups that one write each serves, with that write."""
    if count == 0 or len(states) <= count:
        if len(states) == count:
            yield [([state], table.changes[state]) for state in states]
        return
    *rest, last = states
    for groups in _partitions(table, rest, count - 1):
        yield [*groups, ([last], table.changes[last])]
    for groups in _partitions(table, rest, count):
        for index, (members, _) in enumerate(groups):
            writes = _common_write(table, [*members, last])
            if writes is not None:
                yield [*groups[:index], ([*members, last], writes), *groups[index + 1 :]]


def _common_write(table: _Table, states: list[State]) -> Bits | None:
    """The write that takes each of ``states`` to its target, or None."""
    written = {name for state in states for name, _ in table.changes[state]}
    wanted = {tuple((name, bit) for name, bit in table.changing[state].items() if name in written) for state in states}
    return wanted.pop() if len(wanted) == 1 else None


Cube = tuple[int | None, ...]
"""A search over the table's columns: a bit, or None where the column is masked."""


def _minimal_covers(table: _Table, states: Sequence[State]) -> list[tuple[Cube, ...]]:
    """All sets of cubes of the least size that match all of ``states`` and otherwise only free states, those with the
    fewest key columns first."""
    wanted = frozenset(states)
    cubes: list[tuple[Cube, frozenset[State]]] = []
    for cube in product((0, 1, None), repeat=len(table.columns)):
        matched = frozenset(_matched(cube))
        if matched & wanted and matched <= wanted | table.free:
            cubes.append((cube, matched))
    for size in range(1, len(wanted) + 1):
        covers = [
            tuple(cube for cube, _ in chosen)
            for chosen in combinations(cubes, size)
            if wanted <= frozenset[State]().union(*(matched for _, matched in chosen))
        ]
        if covers:
            return sorted(covers, key=lambda cover: sum(bit is not None for cube in cover for bit in cube))
    return []


def _matched(cube: Cube) -> Iterable[State]:
    return product(*((0, 1) if bit is None else (bit,) for bit in cube))


def _step(table: _Table, cubes: Iterable[Cube], states: Iterable[State], writes: Bits) -> _Step:
    cubes = tuple(cubes)
    matches = frozenset(state for cube in cubes for state in _matched(cube))
    values = dict(writes)
    lands = frozenset(
        tuple(values.get(name, bit) for name, bit in zip(table.columns, state, strict=True))
        for state in matches.intersection(states)
    )
    searches = tuple(
        tuple((name, bit) for name, bit in zip(table.columns, cube, strict=True) if bit is not None) for cube in cubes
    )
    return _Step(Pass(searches, writes), matches, lands)
