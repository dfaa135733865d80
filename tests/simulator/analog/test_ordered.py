"""Products in one order: right, and the same however columns are cut."""

import numpy as np
import pytest
import torch

from simulator.analog.ordered import TILE, ordered_product
from tests.simulator.analog.one_thread import one_thread


@pytest.mark.parametrize(("groups", "signals", "rows"), [(1, 1, 1), (2, 5, 6), (3, 4, 8), (1, 9, 0)])
def test_products_are_those_of_matrices(groups: int, signals: int, rows: int) -> None:
    rng = np.random.default_rng(0)
    matrix, columns = rng.integers(-9, 10, (groups, signals, rows)), rng.integers(-9, 10, (groups, rows, TILE + 3))
    got = ordered_product(torch.from_numpy(matrix * 1.0), torch.from_numpy(columns * 1.0))
    np.testing.assert_array_equal(got, matrix @ columns)


def test_a_columns_sums_run_from_row_to_row_whatever_is_beside_it() -> None:
    rng = np.random.default_rng(1)
    matrix, columns = (torch.from_numpy(rng.normal(size=shape)) for shape in ((1, 70, 301), (1, 301, TILE + 77)))
    whole = ordered_product(matrix, columns)
    expected = torch.zeros(whole.shape[1:], dtype=torch.float64)
    for row in range(301):
        expected += matrix[0, :, row, None] * columns[0, row]
    assert torch.equal(whole[0], expected)
    with one_thread():
        assert torch.equal(ordered_product(matrix, columns[:, :, 5:12].contiguous()), whole[:, :, 5:12])
