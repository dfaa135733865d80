from dataclasses import replace

import numpy as np
import pytest

from backends.rtm_ap.cost import COMPONENTS, LayerEvents, cycles_of, layer_energy_J, report
from backends.target import load_target

# figures that are easy to recognise in a sum
TARGET = load_target(
    "rtm-ap-published",
    [
        *(
            "search_row_J=1",
            "search_key_column_J=0.5",
            "write_bit_J=0.25",
            "shift_step_J=0.125",
            "control_bit_J=0.0625",
        ),
        *("move_bit_array_J=0.001", "move_bit_tile_J=0.01", "move_bit_bank_J=0.1", "move_bit_global_J=1"),
        *("leakage_array_W=2", "cycle_s=0.5", "arrays=10", "area_array_m2=0.25"),
    ],
)
NOTHING = LayerEvents("none", 0, 0, 0, 0, 0, (0, 0, 0, 0), 0, 0)


@pytest.mark.parametrize(
    ("events", "part", "joules"),
    [
        (replace(NOTHING, search_rows=3), "search", 3.0),
        (replace(NOTHING, search_key_columns=3), "search", 1.5),
        (replace(NOTHING, written_bits=3), "write", 0.75),
        (replace(NOTHING, shifted_bits=3), "shift", 0.375),
        (replace(NOTHING, control_bits=3), "control", 0.1875),
        (replace(NOTHING, moved_bits=(1, 2, 3, 4)), "movement", 4.321),
        (replace(NOTHING, arrays=3, cycles=4), "leakage", 12.0),
    ],
)
def test_each_event_is_priced_by_its_figure(events: LayerEvents, part: str, joules: float) -> None:
    energy = layer_energy_J(events, TARGET)
    assert energy.pop(part) == pytest.approx(joules, rel=1e-15)
    assert set(energy.values()) == {0.0}


def test_the_parts_are_the_documented_ones() -> None:
    assert list(layer_energy_J(NOTHING, TARGET)) == list(COMPONENTS)
    assert list(COMPONENTS) == ["search", "write", "shift", "control", "movement", "leakage"]


def test_a_report_divides_energy_by_images_and_adds_latencies() -> None:
    first = LayerEvents("a", 8, 0, 16, 0, 0, (0, 0, 0, 8), arrays=2, cycles=4)
    second = LayerEvents("b", 0, 16, 0, 8, 0, (0, 0, 0, 0), arrays=1, cycles=6)
    result = report([first, second], TARGET, images=4)
    assert result.energy_J() == {
        "search": 2 + 2, "write": 1, "shift": 0.25, "control": 0, "movement": 2, "leakage": 2 + 1.5,
        "total": 10.75,
    }  # fmt: skip
    assert result.latency_s() == 5.0
    assert result.area_m2() == {"compute": 2.5, "total": 2.5}
    assert result.layers[1].counters["cycles"] == 6
    assert result.energy_by_component_J() == {
        "sense": 4, "compute": 1.25, "control": 0, "movement": 2, "leakage": 3.5, "total": 10.75,
    }  # fmt: skip


def test_the_lane_bit_of_an_addition_at_published_figures() -> None:
    # facts: 4 row searches, 0.75 written bits and 3 shift steps a bit and row; 277e6 additions of 8 bits: 1.3 mJ
    # without shifts, 4.1 mJ for the shifts
    lane_bits = 277e6 * 8
    events = replace(NOTHING, search_rows=4 * lane_bits, written_bits=0.75 * lane_bits, shifted_bits=3 * lane_bits)
    energy = layer_energy_J(events, load_target("rtm-ap-published"))
    assert energy["search"] + energy["write"] == pytest.approx(1.3e-3, rel=0.05)
    assert energy["shift"] == pytest.approx(4.1e-3, rel=0.05)


def test_cycles_by_hand_and_elementwise() -> None:
    timing = load_target("rtm-ap-published", ["transfer_bits_per_cycle=100"]).timing
    assert cycles_of(timing, 256, searches=4, writes=3, shift_steps=2) == 4 * 1 + 3 * 4 + 2 * 3
    assert cycles_of(timing, 256, searches=0, writes=0, shift_steps=0, transferred_columns=5) == 15
    several = cycles_of(timing, 256, np.array([4, 0]), np.array([3, 0]), np.array([2, 0]), np.array([0, 5]))
    assert np.array_equal(several, [22, 15])
