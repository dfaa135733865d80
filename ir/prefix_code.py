"""Canonical prefix codes: lengths from counts, codes from lengths, and reading one symbol.

A code is its lengths alone: symbols of one length are numbered upwards, shorter codes come first. Length 0: a symbol
that has no code.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np

MAX_LENGTH = 15


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """Lengths of an optimal code for symbols that occur so often (int64[symbols], 0: never), as uint8[symbols].

    Where that code would be longer than MAX_LENGTH the counts are flattened until it is not. A single symbol has
    length 1. Raises ValueError where more symbols occur than MAX_LENGTH bits can tell apart.
    """
    lengths = np.zeros(len(counts), np.uint8)
    used = np.flatnonzero(counts)
    if len(used) > 1 << MAX_LENGTH:
        raise ValueError(f"{len(used)} symbols do not fit codes of {MAX_LENGTH} bits")
    weights = counts[used].tolist()
    while True:
        depths = _depths(weights)
        if max(depths, default=0) <= MAX_LENGTH:
            lengths[used] = depths
            return lengths
        weights = [weight // 2 + 1 for weight in weights]


def _depths(weights: list[int]) -> list[int]:
    """Depth of every leaf of a Huffman tree; ties are broken by position, so that the result is reproducible."""
    if len(weights) < 2:
        return [1] * len(weights)
    heap = [(weight, leaf) for leaf, weight in enumerate(weights)]
    heapq.heapify(heap)
    parent = [0] * (2 * len(weights) - 1)
    for node in range(len(weights), len(parent)):
        light, heavy = heapq.heappop(heap), heap[0]
        parent[light[1]] = parent[heavy[1]] = node
        heapq.heapreplace(heap, (light[0] + heavy[0], node))
    depth = [0] * len(parent)
    for node in range(len(parent) - 2, -1, -1):
        depth[node] = depth[parent[node]] + 1
    return depth[: len(weights)]


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """The codes of all symbols, uint32[symbols]; 0 where the length is 0."""
    codes = np.zeros(len(lengths), np.uint32)
    code = 0
    for length in range(1, MAX_LENGTH + 1):
        code <<= 1
        symbols = np.flatnonzero(lengths == length)
        codes[symbols] = np.arange(code, code + len(symbols))
        code += len(symbols)
    return codes


def is_prefix_code(lengths: np.ndarray) -> bool:
    """Could these be the lengths of a prefix code (Kraft's inequality)?"""
    occurring = lengths[lengths > 0].astype(np.int64)
    return bool((occurring <= MAX_LENGTH).all()) and int((1 << (MAX_LENGTH - occurring)).sum()) <= 1 << MAX_LENGTH


def reading_table(lengths: np.ndarray) -> np.ndarray:
    """What ``read_symbol`` needs, int32: how many codes there are of each length 0 .. MAX_LENGTH, then the symbols in
    the order of their codes."""
    symbols = np.flatnonzero(lengths)
    order = symbols[np.argsort(lengths[symbols], kind="stable")]
    counts = np.bincount(lengths[symbols], minlength=MAX_LENGTH + 1)
    return np.concatenate([counts, order]).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def read_symbol(data: np.ndarray, end: int, position: int, table: np.ndarray) -> tuple[int, int]:
    """(symbol, next position) of the code at bit ``position`` of uint8 ``data``; symbol -1 where there is none before
    bit ``end``."""
    code = first = index = 0
    for length in range(1, MAX_LENGTH + 1):
        if position >= end:
            return -1, position
        code = code << 1 | (data[position >> 3] >> (7 - (position & 7))) & 1
        position += 1
        count = table[length]
        if code - first < count:
            return table[MAX_LENGTH + 1 + index + code - first], position
        index += count
        first = (first + count) << 1
    return -1, position
