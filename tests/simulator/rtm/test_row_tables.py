"""Row tables against the positions that row maps define."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.program import ROW_MAP
from simulator.rtm import gather
from simulator.rtm.machine import Layout, source_positions
from simulator.rtm.row_tables import SCATTERED, Geometry, RowTables, build_row_tables, side_by_side, split_phases


def tables_of(
    row_map: tuple[int, int, int, int], size: tuple[int, int], source: tuple[int, int], **more: int
) -> RowTables:
    batch, split = more.get("batch", 1), (more.get("split_y", 1), more.get("split_x", 1))
    words = -(-batch * size[0] * size[1] // 64)
    allocated = more.get("allocated", batch * source[0] * source[1])
    run_all = lambda tasks: [task() for task in tasks]  # noqa: E731
    return build_row_tables([Geometry(row_map, source, split, allocated)], size, batch, words, run_all)


def bits(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)


@given(
    row_map=st.tuples(*(st.integers(0, 3) for _ in range(2)), *(st.integers(-3, 4) for _ in range(2))),
    size=st.tuples(st.integers(1, 6), st.integers(1, 20)),
    source=st.tuples(st.integers(1, 9), st.integers(1, 23)),
    split=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    batch=st.integers(1, 4),
)
def test_rows_receive_from_where_the_row_map_says(
    row_map: tuple[int, int, int, int],
    size: tuple[int, int],
    source: tuple[int, int],
    split: tuple[int, int],
    batch: int,
) -> None:
    """Every row of the source holds its own number; what the tables point at in the split source must be it."""
    rows = batch * source[0] * source[1]
    values = np.arange(rows, dtype=np.int32)
    phase = -(-source[0] // split[0]), -(-source[1] // split[1])
    apart = np.full(split[0] * split[1] * batch * phase[0] * phase[1] + 64, -1, np.int32)
    split_phases(values, source, split, batch, apart)
    tables = tables_of(row_map, size, source, batch=batch, split_y=split[0], split_x=split[1], allocated=len(apart))
    expected = source_positions(np.array([row_map], ROW_MAP)[0], Layout(batch, *size), (1, *source))
    used = batch * size[0] * size[1]
    np.testing.assert_array_equal(bits(tables.valid[0])[:used], expected >= 0)
    np.testing.assert_array_equal(bits(tables.padding[0])[:used], expected < 0)
    assert not (bits(tables.valid[0]) | bits(tables.padding[0]))[used:].any()
    assert (expected >= 0).sum() == batch * gather.valid_rows(np.array([row_map], ROW_MAP)[0], size, source)
    for row, (image, y, x) in enumerate(product(range(batch), range(size[0]), range(size[1]))):
        if expected[row] >= 0:
            index = image * tables.image_rows[0] + tables.along_y[0, y] + tables.along_x[0, x]
            assert apart[index] == expected[row]
            first = int(tables.first[0, row // 64])
            assert first == SCATTERED or index == (first + row % 64 if first >= 0 else SCATTERED - 1 - first)


def test_a_word_whose_sources_follow_one_another_is_marked_with_the_first() -> None:
    """One image of 1 x 256 shifted by one: the first word has no row -1 to start from, the last has padding."""
    line = (1, 256)
    assert tables_of((1, 1, 0, -1), line, line).first[0].tolist() == [SCATTERED, 63, 127, 191]
    assert tables_of((1, 1, 0, 1), line, line).first[0].tolist() == [1, 65, 129, SCATTERED]
    assert tables_of((1, 2, 0, 0), (1, 128), line).first[0].tolist() == [SCATTERED, SCATTERED]
    assert tables_of((1, 2, 0, 1), (1, 128), line, split_x=2).first[0].tolist() == [128, 192]
    assert tables_of((0, 0, 0, 7), (1, 70), line).first[0].tolist() == [SCATTERED - 1 - 7] * 2


@pytest.mark.parametrize(
    ("size", "out_size", "strides", "apart"),
    [(56, 28, [2, 2], 2), (56, 56, [1, 1], 1), (56, 28, [2, 1], 1), (7, 1, [1, 1], 7), (1, 1000, [0], 1)],
)
def test_a_source_is_split_by_the_stride_that_all_maps_share(
    size: int, out_size: int, strides: list[int], apart: int
) -> None:
    assert side_by_side(size, out_size, np.array(strides)) == apart
