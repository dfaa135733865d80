"""Layouts: nothing overlaps, nothing leaves the array, what cannot fit is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.rtm_ap.layout import CapacityError, Geometry, inputs_at_once, place_inputs, stack, tile_layer
from ir.isa import FLAG_COLUMNS

Cells = set[tuple[int, int]]


def cells(columns: np.ndarray, domains: np.ndarray, widths: np.ndarray) -> Cells:
    """All cells of fields along wires, none of them twice."""
    places = [(c, d + bit) for c, d, w in zip(columns, domains, widths, strict=True) for bit in range(w)]
    assert len(places) == len(set(places)), "fields overlap"
    return {(int(c), int(d)) for c, d in places}


@given(
    columns=st.integers(8, 40),
    domains=st.integers(4, 24),
    channels=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), min_size=1, max_size=40),
    operands=st.integers(0, 2),
    taps=st.integers(1, 9),
    depth=st.integers(0, 6),
    width=st.integers(1, 8),
)
def test_fields_that_live_together_are_disjoint_and_inside(
    columns: int, domains: int, channels: list[tuple[int, int]], operands: int, taps: int, depth: int, width: int
) -> None:
    geometry = Geometry(columns, domains)
    accumulators, outputs = (np.array(widths) for widths in zip(*channels, strict=True))
    inputs = taps * depth
    try:
        layouts = tile_layer(geometry, accumulators, outputs, operands, inputs)
        at_once = [inputs_at_once(layout, domains, taps, width) for layout in layouts] if inputs else []
    except CapacityError:
        return
    assert np.concatenate([layout.channels for layout in layouts]).tolist() == list(range(len(channels)))
    for number, layout in enumerate(layouts):
        scratch = {layout.total_column, layout.tie_column, *layout.operand_columns}
        assert len(scratch) == 2 + operands
        mine = layout.channels
        sums = cells(layout.accumulator_column, layout.accumulator_domain, accumulators[mine])
        kept = cells(layout.output_column, layout.output_domain, outputs[mine])
        loaded: Cells = set()
        if inputs:
            assert at_once[number] >= 1
            count = min(at_once[number], inputs)
            loaded = cells(*place_inputs(layout, taps, width, count), np.full(count, width))
        assert not sums & kept and not {c for c, _ in sums} & {c for c, _ in loaded | kept}
        for column, domain in sums | kept | loaded:
            assert FLAG_COLUMNS <= column < columns and 0 <= domain < domains
            assert column not in scratch


def test_tiles_are_as_few_as_fit() -> None:
    """24 columns: 5 of them taken, 16 kept for inputs, so that 3 columns of 32 domains hold 4 accumulators each."""
    layouts = tile_layer(Geometry(24, 32), np.full(24, 8), np.full(24, 4), 0, 100)
    assert [len(layout.channels) for layout in layouts] == [12, 12]
    assert {layout.input_columns for layout in layouts} == {16}


def test_every_number_of_tiles_is_tried_up_to_one_channel_each() -> None:
    """One accumulator a column, one column to spare: 17 channels take 17 tiles."""
    layouts = tile_layer(Geometry(22, 8), np.full(17, 8), np.full(17, 1), 0, 100)
    assert [len(layout.channels) for layout in layouts] == [1] * 17


def test_a_small_array_holds_fewer_inputs_than_is_comfortable() -> None:
    (layout,) = tile_layer(Geometry(10, 8), np.array([8]), np.array([4]), 0, 100)
    assert layout.input_columns == 4
    assert inputs_at_once(layout, 8, taps=9, width=4) == 8


def test_channels_are_loaded_whole_where_one_fits() -> None:
    (layout,) = tile_layer(Geometry(27, 16), np.array([8]), np.array([4]), 0, 100)
    assert layout.input_columns == 21
    assert inputs_at_once(layout, 16, taps=9, width=4) == 72
    columns, domains = place_inputs(layout, 9, 4, 27)
    assert (columns - layout.input_column).tolist() == [*range(18), *range(9)]
    assert domains.tolist() == [0] * 18 + [4] * 9


@pytest.mark.parametrize(
    ("geometry", "accumulators", "outputs", "message"),
    [
        (Geometry(256, 16), [8, 17], [4, 4], "a value of 17 bits does not fit a nanowire of 16 domains"),
        (Geometry(256, 16), [8, 8], [4, 20], "a value of 20 bits does not fit a nanowire of 16 domains"),
        (Geometry(6, 16), [8, 8], [4, 4], "not even one output channel fits an array of 6 columns x 16 domains"),
    ],
)
def test_what_fits_no_tiling_is_refused(
    geometry: Geometry, accumulators: list[int], outputs: list[int], message: str
) -> None:
    with pytest.raises(CapacityError, match=message):
        tile_layer(geometry, np.array(accumulators), np.array(outputs), 0, 10)


def test_inputs_wider_than_a_wire_are_refused() -> None:
    (layout,) = tile_layer(Geometry(32, 4), np.array([4]), np.array([4]), 0, 10)
    with pytest.raises(CapacityError, match="a value of 5 bits does not fit a nanowire of 4 domains"):
        inputs_at_once(layout, 4, taps=1, width=5)


def test_stacking_starts_a_new_column_when_a_wire_is_full() -> None:
    columns, domains, end = stack(np.array([5, 5, 6, 6, 4, 0]), 16, 3)
    assert columns.tolist() == [3, 3, 3, 4, 4, 4] and domains.tolist() == [0, 5, 10, 0, 6, 10] and end == 5
    assert stack(np.zeros(0, np.int64), 16, 3)[2] == 3
