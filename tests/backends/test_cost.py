import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.cost import LayerCost, cost_report, on_grid

COSTS = st.floats(min_value=0, max_value=1e9, allow_nan=False)
PARTS = {"search": "sense", "write": "compute", "shift": "compute", "leakage": "leakage"}


@given(st.lists(COSTS | st.floats(min_value=0, max_value=1e-300), max_size=30), st.randoms(use_true_random=False))
def test_grid_sums_are_exact_in_any_order(values: list[float], random: Random) -> None:
    rounded = on_grid(values)
    shuffled = list(rounded)
    random.shuffle(shuffled)
    exact = sum(map(Fraction, rounded))
    assert Fraction(sum(rounded)) == Fraction(sum(shuffled)) == exact
    for before, after in zip(values, rounded, strict=True):
        assert abs(after - before) <= math.fsum(values) * 2**-52


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(PARTS, COSTS)), min_size=1, max_size=8))
def test_parts_layers_and_components_sum_to_the_total(energies: list[dict[str, float]]) -> None:
    layers = [LayerCost(f"layer{i}", energy, {"compute": 0.1 * i}) for i, energy in enumerate(energies)]
    report = cost_report("any", PARTS, layers)
    total = report.energy_J()["total"]
    by_part = {part: value for part, value in report.energy_J().items() if part != "total"}
    by_component = {part: value for part, value in report.energy_by_component_J().items() if part != "total"}
    assert sum(by_part.values()) == sum(by_component.values()) == total
    assert sum(sum(layer.energy_J.values()) for layer in report.layers) == total
    assert total == pytest.approx(math.fsum(v for energy in energies for v in energy.values()), rel=1e-12)
    assert report.latency_s() == sum(sum(layer.latency_s.values()) for layer in reversed(report.layers))


def test_a_small_report_in_full() -> None:
    layers = [
        LayerCost("a", {"search": 1.0, "write": 2.0, "shift": 0.5}, {"compute": 3.0}, {"adc": 0.25}),
        LayerCost("b", {"search": 4.0, "leakage": 8.0}, {"compute": 1.0, "movement": 0.5}),
    ]
    report = cost_report("any", PARTS, layers, {"buffer": 0.5}, images=2)
    assert report.energy_J() == {"search": 5.0, "write": 2.0, "shift": 0.5, "leakage": 8.0, "total": 15.5}
    assert report.energy_by_component_J() == {"sense": 5.0, "compute": 2.5, "leakage": 8.0, "total": 15.5}
    assert report.latency_s() == 4.5
    assert report.area_m2() == {"buffer": 0.5, "adc": 0.25, "total": 0.75}


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_impossible_figures_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        cost_report("any", PARTS, [LayerCost("a", {"search": value}, {})])


def test_parts_need_a_word_of_the_vocabulary() -> None:
    with pytest.raises(ValueError, match="layer a: the part 'magic'"):
        cost_report("any", PARTS, [LayerCost("a", {"magic": 1.0}, {})])
    with pytest.raises(ValueError, match="layer a: the part 'search'"):
        cost_report("any", {"search": "finding"}, [LayerCost("a", {"search": 1.0}, {})])
