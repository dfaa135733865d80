import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends.rtm_ap.placement import (
    BUFFER,
    Distance,
    LayerSize,
    Placement,
    distance,
    moved_rows,
    place,
    row_traffic,
    schedule,
)
from backends.target import load_target
from ir.program import ROW_MAP

FIGURES = load_target("rtm-ap-published", ["arrays=64", "arrays_per_tile=4", "tiles_per_bank=4"]).array


def row_map(stride: int, offset_y: int, offset_x: int) -> np.void:
    return np.array([(stride, stride, offset_y, offset_x)], ROW_MAP)[0]


def test_layers_lie_side_by_side_while_they_are_read() -> None:
    chain = [LayerSize(1, 3, 1), LayerSize(2, 2, 2), LayerSize(1, 3, 2)]
    assert place(chain, 8) == [
        Placement(0, 3, 1, True),
        Placement(3, 4, 1, True),
        Placement(0, 3, 1, True),  # layer 0 has been read
    ]


def test_a_residual_keeps_its_place() -> None:
    layers = [LayerSize(1, 2, 2), LayerSize(1, 2, 2), LayerSize(1, 2, 2)]
    assert [placement.base for placement in place(layers, 6)] == [0, 2, 4]


def test_a_layer_larger_than_the_chip_runs_in_waves_and_spills() -> None:
    assert place([LayerSize(5, 4, 0)], 8) == [Placement(0, 8, 3, False)]


def test_outputs_needed_last_give_way_to_a_crowded_layer() -> None:
    layers = [LayerSize(1, 3, 3), LayerSize(1, 4, 2), LayerSize(1, 4, 3), LayerSize(1, 1, 3)]
    placements = place(layers, 8)
    assert [placement.resident for placement in placements] == [False, True, True, True]
    assert placements[2] == Placement(4, 4, 1, True)


SIZES = st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(0, 4))


@example([(1, 1, 1), (1, 1, 0)], 1)
@given(st.lists(SIZES, min_size=1, max_size=12), st.integers(1, 40))
def test_placements_never_overlap_what_is_still_read(sizes: list[tuple[int, int, int]], arrays: int) -> None:
    layers = [LayerSize(t, r, min(i + ahead, len(sizes) - 1)) for i, (t, r, ahead) in enumerate(sizes)]
    placements = place(layers, arrays)
    assert len(placements) == len(layers)
    for index, (layer, placement) in enumerate(zip(layers, placements, strict=True)):
        used = range(placement.base, placement.base + placement.arrays)
        assert 0 <= used[0] and used[-1] < arrays
        assert placement.waves * placement.arrays >= layer.arrays > (placement.waves - 1) * placement.arrays
        assert not placement.resident or placement.waves == 1
        for earlier in range(index):
            if placements[earlier].resident and layers[earlier].last_reader >= index:
                other = range(placements[earlier].base, placements[earlier].base + placements[earlier].arrays)
                assert used[-1] < other[0] or other[-1] < used[0]


@pytest.mark.parametrize(
    ("cycles", "row_tiles", "arrays", "expected", "fetches"),
    [
        ([7], 1, 1, 7, [1]),
        ([7], 5, 2, 21, [3]),
        ([3, 9, 5], 1, 3, 9, [1, 1, 1]),
        ([3, 9, 5], 1, 2, 12, [1, 1, 1]),  # waves (9, 5), (3)
        ([3, 9, 5], 2, 4, 12, [1, 1, 1]),  # waves (9 9 5 5), (3 3)
        ([3, 9, 5], 2, 3, 14, [1, 1, 2]),  # waves (9 9 5), (5 3 3)
        ([4, 4], 3, 100, 4, [1, 1]),
    ],
)
def test_schedules_by_hand(cycles: list[int], row_tiles: int, arrays: int, expected: int, fetches: list[int]) -> None:
    result = schedule(cycles, row_tiles, arrays)
    assert (result.cycles, result.fetches.tolist()) == (expected, fetches)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=12), st.integers(1, 9), st.integers(1, 30))
def test_schedules_against_waves_built_one_by_one(cycles: list[int], row_tiles: int, arrays: int) -> None:
    jobs = [tile for tile in sorted(range(len(cycles)), key=lambda t: -cycles[t]) for _ in range(row_tiles)]
    waves = [jobs[start : start + arrays] for start in range(0, len(jobs), arrays)]
    result = schedule(cycles, row_tiles, arrays)
    assert result.cycles == sum(max(cycles[tile] for tile in wave) for wave in waves)
    assert result.fetches.tolist() == [sum(tile in wave for wave in waves) for tile in range(len(cycles))]


def test_distance_classes() -> None:
    source = np.array([0, 0, 0, 0, 17, BUFFER, 5, BUFFER])
    destination = np.array([0, 3, 4, 16, 31, 2, BUFFER, BUFFER])
    names = [Distance(value).name for value in distance(source, destination, FIGURES)]
    assert names == ["ARRAY", "TILE", "BANK", "GLOBAL", "BANK", "GLOBAL", "GLOBAL", "GLOBAL"]


@given(
    st.integers(1, 2), st.integers(-2, 2), st.integers(-2, 2), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)
)
def test_traffic_against_a_loop_over_rows(
    stride: int, offset_y: int, offset_x: int, height: int, width: int, images: int
) -> None:
    source_height, source_width, array_rows = 5, 7, 8
    expected: dict[tuple[int, int], int] = {}
    for image in range(images):
        for y in range(height):
            for x in range(width):
                sy, sx = y * stride + offset_y, x * stride + offset_x
                if 0 <= sy < source_height and 0 <= sx < source_width:
                    row = (image * height + y) * width + x
                    source = (image * source_height + sy) * source_width + sx
                    key = (source // array_rows, row // array_rows)
                    expected[key] = expected.get(key, 0) + 1
    traffic = row_traffic(
        row_map(stride, offset_y, offset_x), (source_height, source_width), (height, width), images, array_rows
    )
    found = zip(traffic.source_row_tile.tolist(), traffic.row_tile.tolist(), traffic.rows.tolist(), strict=True)
    assert {(source, row): count for source, row, count in found} == expected


def test_moved_rows_by_distance() -> None:
    # 16 positions in 4 row tiles of 4 rows; a shift by one row: 3 of 4 rows stay in their row tile
    traffic = row_traffic(row_map(1, 0, 1), (1, 16), (1, 16), 1, 4)
    assert sorted(zip(traffic.source_row_tile, traffic.row_tile, traffic.rows, strict=True)) == [
        (0, 0, 3), (1, 0, 1), (1, 1, 3), (2, 1, 1), (2, 2, 3), (3, 2, 1), (3, 3, 3),
    ]  # fmt: skip
    resident = Placement(base=0, arrays=8, waves=1, resident=True)
    to_tile_0_from_tile_0 = moved_rows(traffic, (resident, 0, 4), (resident, 0, 4), FIGURES)
    assert to_tile_0_from_tile_0.tolist() == [12, 3, 0, 0]
    to_tile_0_from_tile_1 = moved_rows(traffic, (resident, 1, 4), (resident, 0, 4), FIGURES)
    assert to_tile_0_from_tile_1.tolist() == [0, 0, 15, 0]  # arrays 4..7 to 0..3: next hardware tile, same bank
    spilled = Placement(base=0, arrays=8, waves=2, resident=False)
    assert moved_rows(traffic, (spilled, 0, 4), (resident, 0, 4), FIGURES).tolist() == [0, 0, 0, 15]
    assert moved_rows(traffic, None, (resident, 0, 4), FIGURES).tolist() == [0, 0, 0, 15]
