import numpy as np
import pytest

from backends.rtm_ap.chip import gathered, plan_chip
from backends.target import Target, load_target
from ir.isa import RECORD, Op
from ir.program import FIELD, GATHER, ROW_MAP, Boundary, LayerProgram, Program, StoredTensor, Tile
from ir.types import IntType

TARGET = load_target(
    "rtm-ap-published",
    [
        *("rows=64", "row_gate_rows=64", "arrays=8", "arrays_per_tile=2", "tiles_per_bank=2"),
        *("search_cycles=1", "write_cycles=4", "shift_cycles=3", "transfer_bits_per_cycle=32"),
    ],
)


def gather_tile(gathers: list[tuple[int, int, int, int]], width: int) -> Tile:
    """A tile of nothing but GATHER instructions, the table entries in reverse order."""
    records = np.zeros(len(gathers), RECORD)
    records["op"], records["r_width"], records["r_column"] = Op.GATHER, width, 3
    records["imm"] = np.arange(len(gathers))[::-1]
    return Tile(records, np.zeros(0, np.int64), np.array(gathers, GATHER))


def two_layers() -> Program:
    """Input 2x8x16 -> layer 0 (2 tiles, a channel each, 128 positions: 2 row tiles) -> layer 1 (1 tile, shifted)."""
    stay, shift = (1, 1, 0, 0), (1, 1, 0, 1)
    source = StoredTensor("x", (2, 8, 16), -1, np.array([(0, 0, 0, 4, 0, 0)] * 2, FIELD))
    middle = StoredTensor("h", (2, 8, 16), 0, np.array([(0, 3, 0, 4, 0, 0), (1, 3, 8, 4, 0, 0)], FIELD))
    last = StoredTensor("y", (1, 8, 16), 1, np.array([(0, 5, 2, 3, 0, 1)], FIELD))
    first_layer = LayerProgram(
        "first",
        "conv",
        1,
        np.array([stay], ROW_MAP),
        [gather_tile([(0, 0, 0, 0)], 4), gather_tile([(0, 1, 0, 0)], 4)],
        {},
    )
    second_layer = LayerProgram(
        "second", "conv", 2, np.array([stay, shift], ROW_MAP), [gather_tile([(1, 0, 0, 0), (1, 1, 1, 0)], 4)], {}
    )
    kind = IntType(4, False)
    boundaries = [
        Boundary(name, tensor, (1, 1, 8, 16), "float32", kind, 0, 15) for name, tensor in (("x", 0), ("y", 2))
    ]
    return Program(
        "net", "0" * 64, "O0", [], TARGET.as_table(), [source, middle, last], [first_layer, second_layer],
        boundaries[:1], boundaries[1:],
    )  # fmt: skip


def test_gathered_follows_the_immediates() -> None:
    tensor, channel, row_map, width = gathered(two_layers().layers[1].tiles[0])
    assert (tensor.tolist(), channel.tolist(), row_map.tolist(), width.tolist()) == ([1, 1], [1, 0], [1, 0], [4, 4])


def test_a_plan_by_hand() -> None:
    first, second = plan_chip(two_layers(), TARGET, [[100, 200], [50]], [[1000, 10], [7]])
    # layer 0: 2 tiles x 2 row tiles on arrays 0..3; its 4-bit gathers bring 128 rows each from the buffer
    assert (first.placement.base, first.placement.arrays, first.row_tiles, first.rows) == (0, 4, 2, 128)
    assert first.gathered_bits.tolist() == [0, 0, 0, 2 * 4 * 128]
    assert (first.cycles, first.control_bits, first.exported_columns) == (200, 1010, 0)
    assert first.powered_arrays == 4
    # layer 1 on arrays 4, 5 reads arrays 0, 1 (channel 0) and 2, 3 (channel 1, shifted by one in x): 15 of every 16
    # positions have a source. Banks are arrays 0..3 and 4..7
    assert (second.placement.base, second.powered_arrays) == (4, 2 + 4)
    assert second.gathered_bits.tolist() == [0, 0, 0, 4 * 128 + 4 * 120]
    # its output is the network's: 3 bits across columns 5..7 in domain 2, 2 row tiles, 64 rows over a 32-bit link
    assert (second.exported_columns, second.export_steps) == (3, 3 * 2 * 2)
    assert second.cycles == 50 + 3 * 1 + 12 * 3 + 3 * 2


def test_neighbours_on_the_chip() -> None:
    near = Target.from_table({**TARGET.as_table(), "array": {**TARGET.as_table()["array"], "tiles_per_bank": 4}})
    _, second = plan_chip(two_layers(), near, [[1, 1], [1]], [[1, 1], [1]])
    assert second.gathered_bits.tolist() == [0, 0, 4 * 128 + 4 * 120, 0]


def test_events_add_the_read_out() -> None:
    _, second = plan_chip(two_layers(), TARGET, [[1, 1], [1]], [[1, 1], [7]])
    events = second.events(search_rows=10, search_key_columns=20, written_bits=30, shifted_bits=40)
    assert events.search_rows == 10 + 3 * 128
    assert events.search_key_columns == 20 + 3 * 2
    assert (events.written_bits, events.control_bits, events.arrays) == (30, 7, 6)
    assert events.shifted_bits == 40 + 12 * 128
    assert sum(events.moved_bits) == 4 * 128 + 4 * 120 + 3 * 128


@pytest.mark.parametrize("images", [1, 3, 8])
def test_batches_move_their_bits_once(images: int) -> None:
    first, second = plan_chip(two_layers(), TARGET, [[100, 200], [50]], [[1000, 10], [7]], images)
    assert first.gathered_bits.sum() == images * 2 * 4 * 128
    assert second.gathered_bits.sum() == images * (4 * 128 + 4 * 120)
    if images == 8:  # 2 tiles x 16 row tiles on 8 arrays: 4 waves, each tile in two of them, output to the buffer
        assert (first.placement.waves, first.control_bits) == (4, 2 * 1010)
        read_out = 4 * 1 + np.array([3, 11]) * 2 * 3 + 4 * 2  # columns, sweep to the last domain and back, transfers
        assert first.cycles == 2 * (200 + read_out[1]) + 2 * (100 + read_out[0])
        assert second.gathered_bits.tolist()[:3] == [0, 0, 0]
