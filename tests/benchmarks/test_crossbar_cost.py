from pathlib import Path

import pytest

from benchmarks.crossbar_cost import AREA_PERCENT, ENERGY_PERCENT, RUNS, crossbar_cost, percent
from benchmarks.workload import QUICK, Workload


def test_every_run_is_listed_and_within_its_limit(tmp_path: Path) -> None:
    *results, time = crossbar_cost(Workload(QUICK, tmp_path))
    errors = [result for result in results if result.measure.startswith("energy, ResNet-18")]
    assert len(errors) == len(RUNS) == 12
    assert all(result.ok and result.unit == "%" for result in results)
    assert time.measure == "pricing ResNet-18" and time.unit == "ms"
    assert "105.3 uJ dynamic, NeuroSim 105; 18.1 ms, 17.7; 260 mm2, 261" in errors[2].note
    limits = [result.limit.value for result in results if result.limit is not None]
    assert (limits[0], limits[-3]) == (ENERGY_PERCENT, AREA_PERCENT) == (10, 15)


def test_errors_count_both_ways() -> None:
    assert (percent(9, 10), percent(11, 10), percent(10, 10)) == pytest.approx((10, 10, 0))
