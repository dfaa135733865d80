from itertools import product

import pytest

from backends.crossbar.conductance import Cell, cells_per_weight, mean_conductance_S
from tests.close import close

CELL = Cell(bits=2, on_S=1e-5, off_S=1e-5 / 17, access_ohm=25e3)
CELL1 = Cell(bits=1, on_S=1e-5, off_S=1e-5 / 17, access_ohm=25e3)


def test_mean_cells_of_the_reference_runs() -> None:
    # crossbar_cost.md 6: "mean cell 4.50 uS (2-bit), 4.29 uS (1-bit, w8)", and 7.66 uS with 95 % of the cells on
    assert mean_conductance_S((), 8, CELL, False) == close(4.50e-6, rel=0.02)
    assert mean_conductance_S((), 8, CELL1, False) == close(4.29e-6, rel=0.002)
    assert mean_conductance_S(((-1, 5), (1, 95)), 1, CELL1, False) == close(7.66e-6, rel=0.01)


@pytest.mark.parametrize("differential", [False, True])
@pytest.mark.parametrize("cell", [CELL, CELL1])
def test_the_mean_conductance_enumerates_digits(cell: Cell, differential: bool) -> None:
    values = ((-7, 3), (-1, 1), (0, 4), (2, 2), (6, 5))
    seen, count = 0.0, 0
    for value, times in values:
        code = abs(value) if differential else value + 8
        width = 3 if differential else 4
        digits = -(-width // cell.bits)
        for place in range(digits):
            level = (code >> (cell.bits * place)) & ((1 << cell.bits) - 1)
            own = 1e-5 / 17 + (1e-5 - 1e-5 / 17) * level / ((1 << cell.bits) - 1)
            cells = [own, 1e-5 / 17] if differential else [own]
            seen += times * sum(1 / (1 / g + 25e3) for g in cells)
            count += times * len(cells)
    assert mean_conductance_S(values, 4, cell, differential) == close(seen / count, rel=1e-12)


def test_a_pair_holds_the_largest_magnitude_where_the_bits_do_not_suffice() -> None:
    assert mean_conductance_S(((-8, 1),), 4, CELL, True) == mean_conductance_S(((-7, 1),), 4, CELL, True)


@pytest.mark.parametrize(("values", "bits", "differential"), [(((-1, 1), (1, 1)), 1, False), (((-1, 1),), 2, True)])
def test_weights_of_fewer_bits_than_a_cell_use_its_whole_range(
    values: tuple[tuple[int, int], ...], bits: int, differential: bool
) -> None:
    assert CELL.conductance_S(3) == CELL1.conductance_S(1)
    assert mean_conductance_S(values, bits, CELL, differential) == mean_conductance_S(values, bits, CELL1, differential)


def test_a_binary_pair_has_one_cell_on() -> None:
    for values in (((-1, 1),), ((1, 1),)):
        on, off = CELL1.conductance_S(1), CELL1.conductance_S(0)
        assert mean_conductance_S(values, 1, CELL1, True) == close((on + off) / 2)


@pytest.mark.parametrize(
    ("weight_bits", "cell_bits", "offset", "differential"),
    [(8, 2, 4, 8), (8, 1, 8, 14), (2, 2, 1, 2), (2, 1, 2, 2), (1, 1, 1, 2), (3, 2, 2, 2), (5, 4, 2, 2)],
)
def test_columns_per_weight(weight_bits: int, cell_bits: int, offset: int, differential: int) -> None:
    assert cells_per_weight(weight_bits, cell_bits, False) == offset
    assert cells_per_weight(weight_bits, cell_bits, True) == differential


def test_a_cell_is_linear_in_level_behind_its_access_device() -> None:
    for cell, level in product((CELL, CELL1), (0, 1)):
        own = 1e-5 / 17 + level / ((1 << cell.bits) - 1) * (1e-5 - 1e-5 / 17)
        assert 1 / cell.conductance_S(level) == close(1 / own + 25e3)
