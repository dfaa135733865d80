"""Where the rows of a layer receive from: tables of its row maps, a row word at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.rtm.lanes import ROWS_PER_WORD, copy_64_bytes

forget_stale(__file__)

Int64: Any = np.int64
NONE = np.uint64(0)
SCATTERED = -1
"""Of a row word whose rows have sources that do not follow one another."""
ABSENT = np.int64(-1) << 62
"""Of a row or column of positions that lies outside the source."""
UNEVEN = -1
"""A step that source rows upwards cannot have."""


class RowTables(NamedTuple):
    """Where the rows of a layer receive from, for each of several row maps.

    Row (image, y, x) receives source row ``image * image_rows + along_y[y] + along_x[x]``, or nothing where either is
    ABSENT: ``along_y`` is int64[maps, height], ``along_x`` int64[maps, width], ``image_rows`` int64[maps]. By row word:
    ``valid`` and ``padding``, uint64[maps, words], the rows that have a source, that receive the pad value; ``first``,
    int64[maps, words], s >= 0 where every valid row i of the word has source row s + i, and s to s + 63 exist;
    SCATTERED - 1 - s where all have source row s; else SCATTERED.
    """

    along_y: np.ndarray
    along_x: np.ndarray
    image_rows: np.ndarray
    valid: np.ndarray
    padding: np.ndarray
    first: np.ndarray


class Geometry(NamedTuple):
    """What the tables of one row map depend on. ``row_map``: strides and offsets, down and right; ``source_size``:
    height and width; ``split``: how far apart rows lie that are side by side in what is read, see ``split_phases``;
    ``allocated``: rows per channel of that."""

    row_map: tuple[int, int, int, int]
    source_size: tuple[int, int]
    split: tuple[int, int]
    allocated: int


def build_row_tables(
    geometries: Sequence[Geometry],
    size: tuple[int, int],
    batch: int,
    words: int,
    run_all: Callable[[Sequence[Callable[[], None]]], object],
) -> RowTables:
    """The tables of a layer with an output of ``size`` (height, width), ``words`` row words for the whole batch.
    ``run_all``: executes tasks, in any order."""
    count = len(geometries)
    tables = RowTables(
        np.empty((count, size[0]), np.int64),
        np.empty((count, size[1]), np.int64),
        np.empty(count, np.int64),
        np.empty((count, words), np.uint64),
        np.empty((count, words), np.uint64),
        np.empty((count, words), np.int64),
    )
    for number, ((stride_y, stride_x, offset_y, offset_x), (height, width), split, _) in enumerate(geometries):
        phase_height, phase_width = -(-height // split[0]), -(-width // split[1])
        phase_rows = batch * phase_height * phase_width
        y, phase_y = _along(size[0], stride_y, offset_y, height, split[0])
        x, phase_x = _along(size[1], stride_x, offset_x, width, split[1])
        tables.along_y[number] = np.where(y < 0, ABSENT, y * phase_width + phase_y * split[1] * phase_rows)
        tables.along_x[number] = np.where(x < 0, ABSENT, x + phase_x * phase_rows)
        tables.image_rows[number] = phase_height * phase_width
    run_all([partial(_fill, batch, geometry.allocated, tables, n) for n, geometry in enumerate(geometries)])
    return tables


def _along(out_size: int, stride: int, offset: int, size: int, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis, for every position of the output: the position within its phase of the source, -1 where it lies
    outside of the ``size`` positions, and the phase; int64[out_size] each."""
    source = np.arange(out_size, dtype=np.int64) * stride + offset
    inside = (source >= 0) & (source < size)
    return np.where(inside, source // split, -1), np.where(inside, source % split, 0)


def side_by_side(size: int, out_size: int, strides: np.ndarray) -> int:
    """How far apart along one axis of ``size`` positions rows should be that lie side by side: as far as the rows of an
    image that one row of the output and the next receive. ``strides``: of all the row maps in use."""
    if out_size == 1:
        return size
    return int(strides[0]) if strides[0] > 1 and (strides == strides[0]).all() else 1


@njit(nogil=True)
def _valid_range(along: np.ndarray) -> tuple[int, int, int]:
    """[first, stop) of the positions that have a source, which follow one another, and by how much the source rows of
    neighbours differ; UNEVEN where that is not always the same."""
    first, stop, step = len(along), 0, Int64(1)
    for position in range(len(along)):
        if along[position] == ABSENT:
            continue
        if position > first:
            difference = along[position] - along[position - 1]
            step = difference if position == first + 1 or difference == step else UNEVEN
        first, stop = min(first, position), position + 1
    return first, stop, step


@njit(nogil=True)
def _ones(begin: int, stop: int) -> Any:
    """The bits [begin, stop) of a word; none where that is empty."""
    if begin >= stop:
        return NONE
    return ~NONE >> np.uint64(ROWS_PER_WORD - (stop - begin)) << np.uint64(begin)


@njit(nogil=True, cache=True)
def _fill(batch: int, src_rows: int, tables: RowTables, row_map: int) -> None:
    """Fill in ``valid``, ``padding`` and ``first`` of one row map, a piece of a line of positions at a time.
    ``src_rows``: rows allocated per channel of the source."""
    along_y, along_x = tables.along_y[row_map], tables.along_x[row_map]
    height, width = len(along_y), len(along_x)
    left, right, step = _valid_range(along_x)
    rows, image_rows = batch * height * width, tables.image_rows[row_map]
    y, x, base = 0, 0, Int64(0)
    for word in range(tables.valid.shape[1]):
        here = min(ROWS_PER_WORD, rows - word * ROWS_PER_WORD)
        present, start, same = NONE, Int64(-1), Int64(-1)
        regular, still = True, True
        bit = 0
        while bit < here:
            count = min(here - bit, width - x)
            begin, stop = max(x, left), min(x + count, right)
            if along_y[y] != ABSENT and begin < stop:
                source, at = base + along_y[y] + along_x[begin], bit + begin - x
                if present == NONE:
                    start, same = source - at, source
                alone = stop - begin == 1
                regular = regular and source - at == start and (alone or step == 1)
                still = still and source == same and (alone or step == 0)
                present |= _ones(at, at + stop - begin)
            bit, x = bit + count, x + count
            if x == width:
                x, y = 0, y + 1
                if y == height:
                    y, base = 0, base + image_rows
        place = row_map, word
        tables.valid[place], tables.padding[place], tables.first[place] = present, _ones(0, here) & ~present, SCATTERED
        if present == NONE:
            tables.first[place] = 0 if src_rows >= ROWS_PER_WORD else SCATTERED
        elif regular and 0 <= start and start + ROWS_PER_WORD <= src_rows:
            tables.first[place] = start
        elif still:
            tables.first[place] = SCATTERED - 1 - same


@njit(nogil=True)
def _every(values: np.ndarray, step: int, out: np.ndarray) -> None:
    """``out[i]`` <- ``values[i * step]``."""
    if step == 2:  # a constant, so that it is vectorised
        for index in range(len(out)):
            out[index] = values[index * 2]
    else:
        for index in range(len(out)):
            out[index] = values[index * step]


@njit(nogil=True, cache=True)
def split_phases(
    values: np.ndarray, src_hw: tuple[int, int], split: tuple[int, int], batch: int, out: np.ndarray
) -> None:
    """Take one channel apart, so that rows ``split`` positions apart lie side by side: out[phase, image, y, x] is
    position (y * split[0] + phase // split[1], x * split[1] + phase % split[1]) of the image.

    ``values``: [rows], image after image; ``out``: phases * batch * phase_h * phase_w integers and at least 64 more;
    those of positions that do not exist, and the 64, hold nothing of use afterwards.
    """
    (src_h, src_w), (split_y, split_x) = src_hw, split
    phase_h, phase_w = -(-src_h // split_y), -(-src_w // split_x)
    line = np.empty(src_h * phase_w + 64, values.dtype)
    size = values.itemsize
    lines, target = Int64(line.ctypes.data), Int64(out.ctypes.data)
    for phase in range(split_y * split_x):
        phase_y, phase_x = divmod(phase, split_x)
        count = (src_w - phase_x + split_x - 1) // split_x
        for image in range(batch):
            if src_w % split_x == 0:  # one long run instead of one for each line of the image
                _every(values[image * src_h * src_w + phase_x :], split_x, line[: src_h * phase_w])
            else:
                for y in range(phase_y, src_h, split_y):
                    begin = (image * src_h + y) * src_w + phase_x
                    _every(values[begin:], split_x, line[y * phase_w : y * phase_w + count])
            for y in range(phase_h):
                if y * split_y + phase_y < src_h:
                    source = lines + (y * split_y + phase_y) * phase_w * size
                    for done in range(0, phase_w * size, 64):  # beyond the line, what the next one overwrites
                        copy_64_bytes(target + done, source + done)
                target += phase_w * size
