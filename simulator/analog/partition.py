"""How a matrix is cut into arrays."""

from __future__ import annotations

from dataclasses import dataclass


def parts(count: int, most: int) -> list[tuple[int, int]]:
    """``count`` rows (or columns) as the fewest ranges [start, stop) of at most ``most`` (0: unlimited), whose sizes
    differ by at most one, the smaller first."""
    number = -(-count // most) if most else 1
    size, larger = divmod(count, number)
    starts = [index * size + max(0, index - (number - larger)) for index in range(number + 1)]
    return list(zip(starts[:-1], starts[1:], strict=True))


@dataclass(frozen=True)
class RowPart:
    """The rows [start, stop) of a convolution's matrix, whose order is (channel, kernel row, kernel column): they touch
    the channels [first_channel, stop_channel) of a group."""

    start: int
    stop: int
    taps: int

    @property
    def first_channel(self) -> int:
        return self.start // self.taps

    @property
    def stop_channel(self) -> int:
        return -(-self.stop // self.taps)

    @property
    def padded(self) -> tuple[int, int]:
        """Rows of the touched channels before and behind the part."""
        return self.start - self.first_channel * self.taps, self.stop_channel * self.taps - self.stop


def row_parts(channels: int, taps: int, most: int) -> list[RowPart]:
    """The row parts of one group of ``channels`` channels with ``taps`` kernel taps each."""
    return [RowPart(start, stop, taps) for start, stop in parts(channels * taps, most)]
