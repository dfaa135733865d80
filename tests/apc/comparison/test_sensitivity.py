from __future__ import annotations

import pytest

from apc.comparison.sensitivity import probes, sensitivity, span
from tests.apc.comparison.fakes import ap, backend, crossbar, figure
from tests.close import close


@pytest.mark.parametrize(
    ("key", "value", "ends"),
    [
        ("energy.write_bit_J", 6.0, (2.0, 18.0)),
        ("array.rows", 128, (43, 384)),
        ("array.rows", 2, (1, 6)),
        ("array.rows", 1, (1, 3)),
        ("adc.adc_bits", 6, (5, 7)),
        ("array.cell_bits", 1, (1, 2)),
    ],
)
def test_spans(key: str, value: float, ends: tuple[float, float]) -> None:
    assert span(figure(key, value), 3.0) == close(ends)


def test_ratios_against_closed_forms() -> None:
    side, against = ap(), crossbar()  # 910 fJ; 500 + 400 fJ
    (pair,) = [sensitivity(side, against, probes(side, 2.0), probes(against, 2.0))]
    assert pair.ratio == close(900 / 910)
    rows = {(row.probe.backend, row.probe.key): row for row in pair.rows}
    conversion = rows["crossbar", "adc.conversion_J"]
    assert (conversion.ratio_low, conversion.ratio_high) == close((650 / 910, 1400 / 910))
    assert conversion.swing == close(1400 / 650)
    assert conversion.flips
    search = rows["ap", "energy.search_row_J"]
    assert (search.ratio_low, search.ratio_high) == close((900 / 905, 900 / 920))
    assert not search.flips
    assert [row.swing for row in pair.rows] == sorted((row.swing for row in pair.rows), reverse=True)
    assert len(pair.rows) == 9 and not pair.unchanged and not pair.refused


def test_what_is_left_out_is_named() -> None:
    events, values = {"energy.move_J": 1.0}, {"energy.move_J": 0.9, "energy.write_bit_J": 0.4}
    others = [
        figure("array.idle", 7.0),
        figure("array.flag", True),
        figure("array.kind", "sar"),
        figure("array.measured", -1.0),
        figure("array.model_bits", 0),
    ]
    side = backend("side", "rtm-ap", events, values, others)
    against = backend("against", "crossbar", {"adc.conversion_J": 1.0}, {"adc.conversion_J": 0.9})
    pair = sensitivity(side, against, probes(side, 3.0), probes(against, 3.0))
    (moved, other) = pair.rows
    assert {moved.probe.backend, other.probe.backend} == {"side", "against"}
    assert [row.ratio_high for row in pair.rows] == [None, None]  # 2.7 J is refused, 0.3 J is not
    assert pair.refused == []
    assert pair.unchanged == ["side: energy.write_bit_J", "side: array.idle"]


def test_a_figure_that_is_refused_both_ways_is_named() -> None:
    values = {"energy.move_J": 5.0}
    side = backend("side", "rtm-ap", {"energy.move_J": 1.0}, values)
    pair = sensitivity(side, crossbar(), probes(side, 2.0), [])
    assert (list(pair.rows), pair.refused) == ([], ["side: energy.move_J"])


def test_progress_counts_figures() -> None:
    seen: list[tuple[int, int, str]] = []
    probes(ap(), 3.0, lambda done, total, label: seen.append((done, total, label)))
    assert [done for done, _, _ in seen] == list(range(6)) and {total for _, total, _ in seen} == {6}
