import pytest

from backends.crossbar.mapping import Placement, floorplan, weight_bits_of
from backends.crossbar.networks import resnet18, vgg8
from backends.crossbar.target import load_crossbar
from backends.workload import LayerWork, conv_work
from tests.close import close


def place(work: LayerWork, *overrides: str) -> Placement:
    return floorplan([work], load_crossbar("crossbar-neurosim", overrides)).placements[0]


def test_resnet18_of_8_bits() -> None:
    plan = floorplan(resnet18(), load_crossbar("crossbar-neurosim"))
    # 512 x 512 PEs, nine a tile, for 3x3; 1024 x 1024 tiles for the stem, the downsamplings and the classifier
    assert (plan.pe_side, plan.tile_side, plan.novel_pes) == (4, 8, 9)
    assert (plan.novel_tiles, plan.conventional_tiles) == (4 * 1 + 4 * 1 + 4 * 2 + 4 * 4, 1 + 1 + 1 + 2 + 4)
    assert plan.arrays == 32 * 9 * 16 + 9 * 64 == 5184
    stem, first = plan.placements[:2]
    assert (stem.novel, stem.row_parts, stem.used_rows, stem.duplication) == (False, 2, 73.5, 4 * 4)
    assert (first.novel, first.row_parts, first.used_rows, first.duplication) == (True, 9, 64, 4 * 2)
    assert first.conversions == 9 * 64 * 4


@pytest.mark.parametrize(("weight_bits", "arrays"), [(1, 2624), (2, 2624), (4, 20 * 144 + 6 * 64), (8, 5184)])
def test_arrays_grow_with_the_columns_of_a_weight(weight_bits: int, arrays: int) -> None:
    assert floorplan(resnet18(weight_bits), load_crossbar("crossbar-neurosim")).arrays == arrays


def test_conversions_of_the_reference_run() -> None:
    # crossbar_cost.md 2: "503 M conversions"
    works = resnet18()
    plan = floorplan(works, load_crossbar("crossbar-neurosim"))
    total = sum(w.bare_positions * 8 * p.conversions for w, p in zip(works, plan.placements, strict=True))
    assert total == close(503e6, rel=1e-3)


def test_vgg8_has_its_first_layer_unrolled() -> None:
    plan = floorplan(vgg8(), load_crossbar("crossbar-neurosim"))
    assert [placement.novel for placement in plan.placements] == [False, True, True, True, True, True, False, False]
    assert plan.placements[6].row_parts == 64


def test_a_pair_shares_a_conversion_where_it_is_subtracted_before() -> None:
    work = conv_work("c", (1, 1), 64, 10, weight_bits=3)
    apart = place(work, "mapping=differential", "subtract_in_analog=false")
    together = place(work, "mapping=differential", "subtract_in_analog=true")
    assert (apart.columns, apart.conversions) == (20, 20)
    assert (together.columns, together.conversions) == (20, 10)


@pytest.mark.parametrize(
    ("least", "most", "offset", "differential"), [(-128, 127, 8, 9), (-127, 127, 8, 8), (-2, 1, 2, 3), (-1, 1, 2, 2)]
)
def test_a_pair_needs_a_bit_for_the_value_that_has_no_opposite(
    least: int, most: int, offset: int, differential: int
) -> None:
    work = conv_work("c", (1, 1), 4, 4, weight_bits=offset, weight_values=((least, 1), (most, 1)))
    assert weight_bits_of(work, load_crossbar("crossbar-neurosim")) == offset
    assert weight_bits_of(work, load_crossbar("crossbar-neurosim", ["mapping=differential"])) == differential


@pytest.mark.parametrize(
    ("groups", "channels", "outputs", "reads", "used_rows", "conversions"),
    [
        (32, 32, 32, 3, 14 * 9, 32 * 4),  # depthwise: 14 windows of 9 rows on an array's diagonal, 3 arrays
        (2, 256, 64, 2 * 9, 128, 9 * 2 * 32 * 4),  # groups of 1152 rows: arrays of their own
    ],
)
def test_groups(groups: int, channels: int, outputs: int, reads: int, used_rows: float, conversions: int) -> None:
    got = place(conv_work("g", (8, 8), channels, outputs, (3, 3), groups=groups), "novel_mapping=false")
    assert (got.reads_per_vector, got.used_rows, got.conversions) == (reads, used_rows, conversions)
    assert got.packed == (14 if groups == 32 else 1)


def test_pipelines_copy_early_layers_up_to_a_limit() -> None:
    works = [
        conv_work("a", (32, 32), 64, 64),
        conv_work("b", (8, 8), 64, 64),
        conv_work("c", (4, 4), 64, 64),
        conv_work("fc", (1, 1), 64, 10),
    ]
    base = floorplan(works, load_crossbar("crossbar-neurosim")).placements
    copied = floorplan(works, load_crossbar("crossbar-neurosim", ["pipeline=true"])).placements
    ratios = [b.tiles / a.tiles for a, b in zip(base, copied, strict=True)]
    assert ratios == [8, 4, 1, 1]
    assert [b.duplication / a.duplication for a, b in zip(base, copied, strict=True)] == ratios
    assert [b.arrays / a.arrays for a, b in zip(base, copied, strict=True)] == ratios


def test_no_duplication_without_the_switch() -> None:
    assert place(conv_work("c", (8, 8), 16, 16), "duplication=false").duplication == 1


def test_a_network_without_convolutions_needs_no_chip() -> None:
    assert floorplan([], load_crossbar("crossbar-neurosim")).arrays == 0
