"""Break-even points against pricing again at the solved value."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apc.comparison.backend import Backend
from apc.comparison.break_even import DEVICE_FIGURES, HEADLINE, break_even
from tests.apc.comparison.fakes import AP_KEYS, ap, crossbar
from tests.close import close

positive = st.floats(1.0, 1e6)


@given(st.lists(positive, min_size=6, max_size=6), st.lists(positive, min_size=6, max_size=6), positive)
def test_repricing_at_the_solved_value_ties(events: list[float], values: list[float], other: float) -> None:
    side, against = ap(events, values), crossbar(other_J=other * 1e-13)
    pair = break_even(side, against)
    assert pair.ratio == against.energy_J / side.energy_J
    assert [figure.key for figure in pair.figures] == list(AP_KEYS)
    for figure in pair.figures:
        for solved, goal in ((figure.tie_value, 1.0), (figure.headline_value, HEADLINE)):
            rest = side.reprice(figure.key, 0.0)
            if solved is None:
                assert rest * goal >= against.energy_J * (1 - 1e-9)
            else:
                assert side.reprice(figure.key, solved) * goal == close(against.energy_J, rel=1e-9)


@given(st.lists(positive, min_size=6, max_size=6), positive)
def test_the_joint_factor_ties(events: list[float], other: float) -> None:
    side, against = ap(events), crossbar(other_J=other * 1e-13)
    devices = break_even(side, against).devices
    assert devices.keys == DEVICE_FIGURES
    values = {figure.key: figure.value for figure in side.figures}
    counts = dict(zip([figure.key for figure in side.figures], events, strict=True))
    fixed = sum(counts[key] * values[key] for key in counts if key not in DEVICE_FIGURES)
    scaled = sum(counts[key] * values[key] for key in DEVICE_FIGURES)
    for factor, goal in ((devices.tie_factor, 1.0), (devices.headline_factor, HEADLINE)):
        if factor is None:
            assert fixed * goal >= against.energy_J * (1 - 1e-9)
        else:
            assert (fixed + factor * scaled) * goal == close(against.energy_J, rel=1e-9)


def adc_energy(item: Backend) -> float:
    return item.report.energy_by_component_J()["adc"]


def test_the_converters_energy_at_which_the_crossbar_ties() -> None:
    side = ap()  # (10 + 40 + 90 + 160 + 250 + 360) fJ = 910 fJ
    found = break_even(side, crossbar(conversions=100, conversion_J=5e-15, other_J=4e-13)).adc
    assert found is not None
    assert found.conversions == 100
    assert found.energy_per_conversion_J == close(5e-15)
    assert found.tie_per_conversion_J == close((910 - 400) * 1e-15 / 100)
    assert found.tie_factor == close(5.1 / 5)


def test_a_crossbar_that_loses_without_converters_never_ties() -> None:
    found = break_even(ap(), crossbar(other_J=1e-12)).adc
    assert found is not None
    assert (found.tie_factor, found.tie_per_conversion_J) == (None, None)
    assert found.energy_J == adc_energy(crossbar(other_J=1e-12))


def test_no_converters_no_break_even() -> None:
    assert break_even(ap(), ap()).adc is None


def test_a_figure_without_events_never_ties() -> None:
    pair = break_even(ap(events=(0, 20, 30, 40, 50, 60)), crossbar(other_J=1e-11))
    assert (pair.figures[0].tie_value, pair.figures[0].headline_value) == (None, None)
    assert pair.reaches_headline
    assert all(figure.headline_value is not None for figure in pair.figures[1:])
