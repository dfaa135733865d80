"""Layouts: nothing that lives at one time overlaps, nothing leaves the array, what cannot fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.rtm_ap.builder import field_of
from backends.rtm_ap.layout import AcrossLayout, AlongLayout, CapacityError, Demand, Geometry, Layout, stack
from ir.isa import FLAG_COLUMNS, Field

LAYOUTS = (AlongLayout, AcrossLayout)


def demand(**changes: Any) -> Demand:
    """A small tile: four outputs of 4 bits, accumulators of 8, nine inputs a window of 4 bits."""
    plain: dict[str, Any] = {
        "accumulators": np.full(4, 8),
        "outputs": np.full(4, 4),
        "inputs": 36,
        "input_width": 4,
        "together": 9,
        "operands": (),
        "total": 12,
        "row_sum": 0,
        "temporaries": 0,
    }
    return Demand(**{**plain, **changes})


def cells(fields: list[Field]) -> set[tuple[int, int]]:
    """All cells of fields, none of them twice."""
    places = [field.cell(bit) for field in fields for bit in range(field.width)]
    assert len(places) == len(set(places)), "fields overlap"
    return set(places)


def input_fields(layout: Layout, wanted: Demand) -> list[Field]:
    columns, domains = layout.input_places(min(layout.inputs_at_once, wanted.inputs))
    across = isinstance(layout, AcrossLayout)
    return [
        Field(c, d, wanted.input_width, across=across) for c, d in zip(columns.tolist(), domains.tolist(), strict=True)
    ]


@given(
    kind=st.sampled_from(LAYOUTS),
    columns=st.integers(16, 120),
    domains=st.integers(4, 40),
    channels=st.lists(st.tuples(st.integers(1, 24), st.integers(1, 12)), min_size=1, max_size=40),
    operands=st.lists(st.integers(1, 12), max_size=2),
    together=st.integers(1, 20),
    groups=st.integers(0, 6),
    width=st.integers(1, 12),
    temporaries=st.integers(0, 16),
)
def test_what_lives_together_is_disjoint_and_inside(
    kind: type[AlongLayout] | type[AcrossLayout],
    columns: int,
    domains: int,
    channels: list[tuple[int, int]],
    operands: list[int],
    together: int,
    groups: int,
    width: int,
    temporaries: int,
) -> None:
    accumulators, outputs = (np.array(widths) for widths in zip(*channels, strict=True))
    wanted = Demand(accumulators, outputs, together * groups, width, together, tuple(operands), 20, 0, temporaries)
    try:
        layout = kind(Geometry(columns, domains), wanted)
        total = layout.total(20, signed=True)
    except CapacityError:
        return
    across = kind is AcrossLayout
    sums = cells([field_of(place) for place in layout.accumulators()])
    kept = cells([layout.output(i, int(w), signed=False) for i, w in enumerate(outputs)])
    loaded = cells(input_fields(layout, wanted))
    places = [layout.operand(i) for i in range(len(operands))]
    scratch = [total, layout.tie()]
    scratch += [Field(c, d, w, across=across) for (c, d), w in zip(places, operands, strict=True)]
    region = layout.region
    temporary = {(c, 0) for c in range(region.column, region.column + region.columns)}
    if wanted.inputs:
        assert layout.inputs_at_once >= together or wanted.inputs < together
    assert not {c for c, _ in sums} & {c for c, _ in loaded | kept | cells(scratch) | temporary}
    assert not {c for c, _ in loaded} & {c for c, _ in temporary}
    assert not {c for c, _ in kept} & {c for c, _ in cells(scratch)}
    for column, domain in sums | kept | loaded | cells(scratch) | temporary:
        assert FLAG_COLUMNS <= column < columns and 0 <= domain < domains


@pytest.mark.parametrize("kind", LAYOUTS)
def test_inputs_that_are_summed_together_lie_in_different_columns(kind: type[AlongLayout]) -> None:
    wanted = demand()
    fields = input_fields(kind(Geometry(80, 16), wanted), wanted)
    assert len(fields) == 36
    for first in range(0, 36, 9):
        touched = [field.cell(bit)[0] for field in fields[first : first + 9] for bit in range(field.width)]
        across = kind is AcrossLayout
        assert len(set(touched)) == (36 if across else 9)


def test_accumulators_across_lie_one_a_domain_in_the_same_columns() -> None:
    layout = AcrossLayout(Geometry(100, 3), demand())
    assert [(place["column"], place["domain"]) for place in layout.accumulators()] == [
        (FLAG_COLUMNS, 0),
        (FLAG_COLUMNS, 1),
        (FLAG_COLUMNS, 2),
        (FLAG_COLUMNS + 8, 0),
    ]


@pytest.mark.parametrize(
    ("kind", "geometry", "changes", "message"),
    [
        (AlongLayout, Geometry(256, 16), {"accumulators": np.full(4, 17)}, "17 bits does not fit a nanowire of 16"),
        (AlongLayout, Geometry(256, 16), {"outputs": np.full(4, 20)}, "20 bits does not fit a nanowire of 16"),
        (AlongLayout, Geometry(256, 4), {"accumulators": np.full(4, 4), "input_width": 5}, "input of 5 bits"),
        (AlongLayout, Geometry(14, 16), {}, "too many columns are needed"),
        (AcrossLayout, Geometry(59, 16), {}, "too many columns are needed"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: type[AlongLayout], geometry: Geometry, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(CapacityError, match=message):
        kind(geometry, demand(**changes))


def test_totals_wider_than_a_wire_are_refused_along_and_lie_across_otherwise() -> None:
    with pytest.raises(CapacityError, match="a requantisation needs 12 bits, more than the 8 domains"):
        AlongLayout(Geometry(256, 8), demand()).total(12, signed=True)
    assert AcrossLayout(Geometry(256, 8), demand()).total(12, signed=True).across


def test_stacking_starts_a_new_column_when_a_wire_is_full() -> None:
    columns, domains, end = stack(np.array([5, 5, 6, 6, 4, 0]), 16, 3)
    assert columns.tolist() == [3, 3, 3, 4, 4, 4] and domains.tolist() == [0, 5, 10, 0, 6, 10] and end == 5
    assert stack(np.zeros(0, np.int64), 16, 3)[2] == 3
