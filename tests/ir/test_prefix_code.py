"""Prefix codes: optimal, canonical, and read back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.bits import SPARE_BYTES, BitReader, BitWriter
from ir.prefix_code import MAX_LENGTH, canonical_codes, code_lengths, is_prefix_code, read_symbol, reading_table

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=60).map(np.array)


@given(COUNTS)
def test_a_code_is_complete_and_within_a_bit_of_the_entropy(counts: np.ndarray) -> None:
    lengths = code_lengths(counts)
    used = counts > 0
    assert ((lengths > 0) == used).all() and is_prefix_code(lengths)
    if used.sum() > 1:
        assert sum(2.0 ** -int(length) for length in lengths[used]) == 1
        share = counts[used] / counts.sum()
        entropy = -(share * np.log2(share)).sum()
        assert entropy - 1e-9 <= (share * lengths[used]).sum() < entropy + 1


@given(COUNTS, st.randoms(use_true_random=False))
def test_symbols_read_back(counts: np.ndarray, random: object) -> None:
    lengths = code_lengths(counts)
    symbols = np.flatnonzero(counts)
    out = BitWriter()
    out.many(canonical_codes(lengths)[symbols], lengths[symbols])
    reader = BitReader(out.packed())
    position = 0
    for symbol in symbols.tolist():
        found, position = read_symbol(reader.data, out.bits, position, reading_table(lengths))
        assert found == symbol
    assert read_symbol(reader.data, out.bits, position, reading_table(lengths))[0] == -1


def test_known_codes() -> None:
    """Deflate's example (RFC 1951, 3.2.2): ABCDEFGH of lengths 3, 3, 3, 3, 3, 2, 4, 4."""
    lengths = np.array([3, 3, 3, 3, 3, 2, 4, 4], np.uint8)
    assert canonical_codes(lengths).tolist() == [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111]
    assert code_lengths(np.array([5])).tolist() == [1]
    assert code_lengths(np.array([1, 1, 2, 4])).tolist() == [3, 3, 2, 1]


def test_long_codes_are_flattened() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 40:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(np.array(fibonacci))
    assert lengths.max() <= MAX_LENGTH and is_prefix_code(lengths)


def test_lengths_of_no_code() -> None:
    assert not is_prefix_code(np.array([1, 1, 1], np.uint8))
    assert not is_prefix_code(np.array([MAX_LENGTH + 1], np.uint8))
    with pytest.raises(ValueError, match="do not fit"):
        code_lengths(np.ones((1 << MAX_LENGTH) + 1, np.int64))


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 63)), max_size=20))
def test_bits(numbers: list[tuple[int, int]]) -> None:
    out = BitWriter()
    for value, bits in numbers:
        out.many(np.array([value], np.uint64), np.array([bits]))
    packed = out.packed() if numbers else b""
    assert len(packed) == math.ceil(sum(bits for _, bits in numbers) / 8)
    reader = BitReader(packed)
    assert len(reader.data) == len(packed) + SPARE_BYTES
    assert [reader.number(bits) for _, bits in numbers] == [value & (1 << bits) - 1 for value, bits in numbers]
    assert not reader.past_end and reader.number(63) == 0 and (reader.past_end or not packed or reader.end >= 63)
