"""What a tile costs before it runs: passes and shift steps, exactly; written bits, in expectation.

Every figure comes from the symbolic expansions of ``ir.expand``, summarised once per distinct signature; only the
offsets of the columns have to be followed instruction by instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numba
import numpy as np

from ir.activity import follow
from ir.expand import Signature, signature, steps
from ir.isa import (
    A_ACROSS,
    A_SIGNED,
    B_ACROSS,
    B_SIGNED,
    GATHERING,
    MAX_CONSTANTS,
    R_ACROSS,
    R_FRESH,
    Op,
    gather_index,
    gathered_bits,
)
from ir.program import FIELD, Program, StoredTensor, Tile, gathered_fields
from ir.switching import expected_flips

ACTIVATION_DENSITY = 0.17
"""Ones among the bits of rectified activations. ASSUMED: the mean of 0.14, 0.16 and 0.22 in the ternary networks of
examples/ (digits, MNIST, ResNet-18 with drawn weights), which no published figure replaces."""
NOTHING_RESIDENT = np.zeros(0, FIELD), np.zeros((0, 0), np.int32)
COMPARING = (Op.MAX, Op.CLAMP, Op.STEP)


@dataclass(eq=False)
class StaticCounts:
    """Passes and steps of one tile; all arrays int64[instructions].

    ``searches``, ``writes``, ``shift_steps`` happen in the tile's own arrays, ``source_searches`` and
    ``source_shift_steps`` in the arrays that hold gathered tensors. ``rewind_steps`` bring the tile's columns back to
    offset 0 at its end. ``sources``: tensor index -> (searches, shift steps, rewind steps) of each stored tensor.
    """

    searches: np.ndarray
    writes: np.ndarray
    shift_steps: np.ndarray
    source_searches: np.ndarray
    source_shift_steps: np.ndarray
    rewind_steps: int
    sources: dict[int, tuple[int, int, int]] = field(default_factory=dict)


def searched_fields(tile: Tile, tensors: list[StoredTensor]) -> np.ndarray:
    """The source field of each gather of ``tile`` (program.FIELD array); width 0 where the tensor is a network input,
    which waits in the global buffer and is neither searched nor shifted."""
    fields = gathered_fields(tile, tensors)
    waiting = np.array([tensor.producer < 0 for tensor in tensors], bool)
    fields[waiting[tile.gathers["tensor"]]] = np.zeros(1, FIELD)
    return fields


def distinct_signatures(tile: Tile) -> tuple[list[Signature], np.ndarray]:
    """The signatures that occur in ``tile``, and for each instruction the index of its own (int64[instructions])."""
    records = tile.instructions
    _, constant = np.unique(tile.constants[: MAX_CONSTANTS + 1], return_inverse=True)  # those that imm reaches
    constant = np.append(constant, [0, 0]).astype(np.uint64)
    op, flags = records["op"], records["flags"]
    two = (op == Op.CLAMP) | (op == Op.STEP)
    one = two | (op == Op.CONST) | (op == Op.ADDC)
    imm = np.where(one, records["imm"], 0).astype(np.int64)
    key = op.astype(np.uint64)
    for bit in (A_SIGNED, B_SIGNED, R_FRESH):
        key = key << np.uint64(1) | ((flags & bit) != 0)
    for name in ("a_width", "b_width", "r_width"):
        key = key << np.uint64(6) | records[name]
    key = key << np.uint64(17) | np.where(one, constant[imm], np.uint64(0))
    key = key << np.uint64(17) | np.where(two, constant[imm + 1], np.uint64(0))
    distinct, index = unique_inverse(key)
    first = np.zeros(len(distinct), np.int64)
    first[index[::-1]] = np.arange(len(key) - 1, -1, -1)
    return [signature(records[i], tile.constants) for i in first], index


def unique_inverse(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct values of ``keys`` and the index of each key's value; fast where few are distinct."""
    distinct = np.unique(keys)
    return distinct, np.searchsorted(distinct, keys)


@dataclass(frozen=True)
class Summary:
    """One signature: passes, and for each operand (a, b, r) the bits touched, as a mask, and the path over them:
    first bit, last bit, steps between."""

    searches: int
    writes: int
    masks: tuple[int, ...]
    firsts: tuple[int, ...]
    lasts: tuple[int, ...]
    inner_steps: tuple[int, ...]


@lru_cache(maxsize=1 << 16)
def summarise(sig: Signature, search_or: bool) -> Summary:
    """What every instruction of signature ``sig`` takes, wherever its operands lie."""
    path: dict[str, list[int]] = {"a": [], "b": [], "r": []}
    searches = writes = 0
    for step in steps(sig, search_or):
        searches += step.table.searches
        writes += step.table.writes
        for name in step.table.touched:
            if name in path:
                path[name].append(step.cells[name][1])
    bits = [path[name] for name in "abr"]
    return Summary(
        searches,
        writes,
        tuple(sum({1 << bit for bit in touched}) for touched in bits),
        tuple(touched[0] if touched else 0 for touched in bits),
        tuple(touched[-1] if touched else 0 for touched in bits),
        tuple(sum(abs(b - a) for a, b in zip(touched, touched[1:], strict=False)) for touched in bits),
    )


def static_counts(tile: Tile, *, source_fields: np.ndarray | None, search_or: bool, columns: int) -> StaticCounts:
    """Exact passes and shift steps of a legal tile on arrays of ``columns`` columns.

    ``source_fields``: the FIELD of each gather's source (see ``searched_fields``), or None to leave sources out.
    Raises ValueError where an operand lies beyond ``columns``.
    """
    records = tile.instructions
    signatures, index = distinct_signatures(tile)
    summaries = [summarise(sig, search_or) for sig in signatures]
    _check_columns(records, source_fields, columns)

    def table(value: Callable[[Summary], object]) -> np.ndarray:
        return np.array([value(summary) for summary in summaries], np.int64)

    path = np.stack(
        [
            table(lambda s: s.masks).reshape(-1, 3),
            table(lambda s: s.firsts).reshape(-1, 3),
            table(lambda s: s.lasts).reshape(-1, 3),
            table(lambda s: s.inner_steps).reshape(-1, 3),
        ],
        axis=-1,
    )
    shift_steps = np.zeros(len(records), np.int64)
    rewind = _trace(records, index, path, np.zeros(columns, np.int64), shift_steps)
    counts = StaticCounts(
        table(lambda s: s.searches)[index],
        table(lambda s: s.writes)[index],
        shift_steps,
        np.zeros(len(records), np.int64),
        np.zeros(len(records), np.int64),
        int(rewind),
    )
    if source_fields is not None:
        _count_sources(tile, source_fields, columns, counts)
    return counts


def tile_counts(program: Program, tile: Tile) -> StaticCounts:
    """Counts of a tile of ``program``, with its sources', on the arrays the program was compiled for."""
    columns, search_or = int(program.target["array"]["columns"]), bool(program.target["features"]["search_or"])
    return static_counts(
        tile, source_fields=searched_fields(tile, program.tensors), search_or=search_or, columns=columns
    )


def program_counts(program: Program) -> list[list[StaticCounts]]:
    """``tile_counts`` of every tile of every layer."""
    return [[tile_counts(program, tile) for tile in layer.tiles] for layer in program.layers]


def search_key_columns(tile: Tile, search_or: bool) -> np.ndarray:
    """Key columns that each instruction's searches drive, int64[instructions]: sums over its searches."""
    signatures, index = distinct_signatures(tile)
    keys = [sum(step.table.key_columns for step in steps(sig, search_or)) for sig in signatures]
    return np.array(keys, np.int64)[index]


def _check_columns(records: np.ndarray, source_fields: np.ndarray | None, columns: int) -> None:
    beyond = np.zeros(len(records), bool)
    for name, across in (("a", A_ACROSS), ("b", B_ACROSS), ("r", R_ACROSS)):
        used = records[f"{name}_width"] > 0
        if name == "a":
            used &= (records["op"] != Op.GATHER) & (records["op"] != Op.EXTEND)
        if name == "b":
            used &= records["op"] != Op.MAC
        extent = np.where(records["flags"] & across, records[f"{name}_width"], 1)
        beyond |= used & (records[f"{name}_column"].astype(np.int64) + extent > columns)
    if beyond.any():
        raise ValueError(f"instruction {int(beyond.argmax())} uses a column beyond the array's {columns}")
    if source_fields is not None:
        extent = np.where(source_fields["across"], source_fields["width"], 1)
        if (source_fields["column"].astype(np.int64) + extent > columns).any():
            raise ValueError(f"a gathered field lies beyond its array's {columns} columns")


def _count_sources(tile: Tile, source_fields: np.ndarray, columns: int, counts: StaticCounts) -> None:
    """Fill the source side of ``counts``."""
    records = tile.instructions
    position = np.flatnonzero(np.isin(records["op"], GATHERING))
    gather = gather_index(records[position])
    sources = source_fields[gather]
    sources["width"] = np.minimum(sources["width"], gathered_bits(records[position]))
    stored = sources["width"] > 0
    position, gather, sources = position[stored], gather[stored], sources[stored]
    if not len(position):
        return
    tensors, tensor = np.unique(tile.gathers["tensor"][gather], return_inverse=True)
    _, array = np.unique(tensor * (1 << 16) + sources["tile"], return_inverse=True)
    array_tensor = np.zeros(int(array.max()) + 1, np.int64)
    array_tensor[array] = tensor
    offsets = np.zeros((len(array_tensor), columns), np.int64)
    shift_steps = np.zeros(len(position), np.int64)
    _trace_sources(sources, array, offsets, shift_steps)
    counts.source_searches[position] = sources["width"]
    counts.source_shift_steps[position] = shift_steps
    rewinds = np.bincount(array_tensor, offsets.sum(axis=1), len(tensors))
    for number, name in enumerate(tensors.tolist()):
        mine = position[tensor == number]
        counts.sources[name] = (
            int(counts.source_searches[mine].sum()),
            int(counts.source_shift_steps[mine].sum()),
            int(rewinds[number]),
        )


@numba.njit(cache=True, nogil=True)
def _trace(records: np.ndarray, index: np.ndarray, path: np.ndarray, offsets: np.ndarray, steps: np.ndarray) -> int:
    """Follow the columns' offsets through a tile; returns the rewind steps at its end.

    ``path``: int64[signatures, 3 operands, 4] (mask, first bit, last bit, inner steps); ``offsets``: int64[columns], in
    and out; ``steps``: int64[instructions], out.
    """
    for i in range(len(records)):
        record = records[i]
        total = 0
        for operand in range(3):
            mask, first, last, inner = path[index[i], operand]
            if mask == 0:
                continue
            if operand == 0:
                column, domain, across = int(record["a_column"]), int(record["a_domain"]), record["flags"] & A_ACROSS
            elif operand == 1:
                column, domain, across = int(record["b_column"]), int(record["b_domain"]), record["flags"] & B_ACROSS
            else:
                column, domain, across = int(record["r_column"]), int(record["r_domain"]), record["flags"] & R_ACROSS
            if across:
                while mask:
                    if mask & 1:
                        total += abs(domain - offsets[column])
                        offsets[column] = domain
                    mask >>= 1
                    column += 1
            else:
                total += abs(domain + first - offsets[column]) + inner
                offsets[column] = domain + last
        steps[i] = total
    return offsets.sum()


@numba.njit(cache=True, nogil=True)
def _trace_sources(fields: np.ndarray, array: np.ndarray, offsets: np.ndarray, steps: np.ndarray) -> None:
    """The same for the arrays that gathers read, every bit of a field once, upwards.

    ``fields``: FIELD[gathers]; ``array``: int64[gathers], the array each lies in; ``offsets``: int64[arrays, columns],
    in and out; ``steps``: int64[gathers], out.
    """
    for i in range(len(fields)):
        column, domain, width = int(fields[i]["column"]), int(fields[i]["domain"]), int(fields[i]["width"])
        offset = offsets[array[i]]
        if fields[i]["across"]:
            for bit in range(width):
                steps[i] += abs(domain - offset[column + bit])
                offset[column + bit] = domain
        else:
            steps[i] = abs(domain - offset[column]) + width - 1
            offset[column] = domain + width - 1


def expected_written_bits(
    tile: Tile, density: float = ACTIVATION_DENSITY, resident: tuple[np.ndarray, np.ndarray] = NOTHING_RESIDENT
) -> np.ndarray:
    """Cells that each instruction flips on average in one row, float64[instructions], if all bits were independent:
    unsigned gathered ones 1 with probability ``density``, all others as often as not, but for ``resident`` FIELD
    records and their values (int [fields, positions]). Does not depend on OR-ed searches."""
    signatures, index = distinct_signatures(tile)
    compared = np.array([expected_flips(sig) if sig.op in COMPARING else 0.0 for sig in signatures], np.float64)
    return follow(tile, compared[index], density, *resident)
