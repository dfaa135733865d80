"""Strings of bits: numbers of any size one after another, the first bit of each the highest."""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np

SPARE_BYTES = 64
"""Zeros after the data of a ``BitReader``, so that a kernel may read a little too far before it looks at the end."""


@dataclass
class BitWriter:
    """Numbers, and how many bits each takes."""

    _lengths: list[np.ndarray] = field(default_factory=list)
    _values: list[np.ndarray] = field(default_factory=list)

    def number(self, value: int, bits: int) -> None:
        self.many(np.array([value]), np.array([bits]))

    def many(self, values: np.ndarray, lengths: np.ndarray) -> None:
        """``values``: unsigned, or int64 in two's complement; ``lengths``: 0 to 64 bits of each."""
        self._values.append(values.astype(np.uint64))
        self._lengths.append(lengths.astype(np.uint8))

    def append(self, other: BitWriter) -> None:
        self._lengths += other._lengths
        self._values += other._values

    @property
    def bits(self) -> int:
        return sum(int(lengths.sum(dtype=np.int64)) for lengths in self._lengths)

    def packed(self) -> bytes:
        """All of it, the last byte filled with zeros."""
        out = np.zeros(-(-self.bits // 8), np.uint8)
        _pack(np.concatenate(self._lengths), np.concatenate(self._values), out)
        return out.tobytes()


@numba.njit(cache=True, nogil=True)
def _pack(lengths: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Write uint64 ``values`` in so many bits each into the zeroed uint8 ``out``."""
    position = 0
    for i in range(len(lengths)):
        left = np.int64(lengths[i])
        while left > 0:
            room = 8 - (position & 7)
            taken = min(room, left)
            left -= taken
            bits = (values[i] >> np.uint64(left)) & np.uint64((1 << taken) - 1)
            out[position >> 3] |= np.uint8(bits << np.uint64(room - taken))
            position += taken


class BitReader:
    """Bits that may be anything. ``data``: uint8, SPARE_BYTES longer than the ``end`` bits; ``position``: of the next
    bit. Reading past the end gives zeros; ``past_end`` tells."""

    def __init__(self, content: bytes) -> None:
        self.data = np.concatenate([np.frombuffer(content, np.uint8), np.zeros(SPARE_BYTES, np.uint8)])
        self.end = 8 * len(content)
        self.position = 0

    def number(self, bits: int) -> int:
        """The next ``bits`` (at most 64) as an unsigned number."""
        value = 0
        if self.position + bits <= self.end:
            value = int(read_bits(self.data, self.position, bits))
        self.position += bits
        return value

    @property
    def past_end(self) -> bool:
        return self.position > self.end


@numba.njit(cache=True, nogil=True)
def read_bits(data: np.ndarray, position: int, length: int) -> int:
    """``length`` (at most 63) bits of uint8 ``data`` as a number."""
    value = np.int64(0)
    while length > 0:
        room = 8 - (position & 7)
        taken = min(room, length)
        value = value << taken | (np.int64(data[position >> 3]) >> (room - taken)) & ((1 << taken) - 1)
        position += taken
        length -= taken
    return value


@numba.njit(cache=True, nogil=True)
def read_signed(data: np.ndarray, position: int, length: int) -> int:
    """``length`` (1 to 64) bits as a number in two's complement."""
    value = -np.int64(data[position >> 3] >> (7 - (position & 7)) & 1)
    for place in range(position + 1, position + length):
        value = value << 1 | np.int64(data[place >> 3] >> (7 - (place & 7)) & 1)
    return value
