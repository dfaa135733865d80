"""``apc.crossbar`` beyond what it has in common with ``apc.acim`` (test_analog.py)."""

import numpy as np
import pytest

from apc.crossbar import CrossbarConfig, load_network
from ir.errors import UserError
from tests.apc.small import images, small_model

IDEAL = CrossbarConfig(cell_bits=7, weight_max="max")
"""As in test_analog.py."""


def test_a_calibrated_adc_needs_data_first() -> None:
    config = CrossbarConfig(cell_bits=7, dac_bits=8, adc_bits=10, adc_range="calibrated", adc_percentile=100)
    model = load_network(small_model(), config)
    with pytest.raises(UserError, match="calibrate"):
        model.run({"x": images(1)})
    (coarse,) = load_network(small_model(), config, calibration={"x": images(4)}).run({"x": images(4)}).values()
    (exact,) = load_network(small_model(), IDEAL).run({"x": images(4)}).values()
    assert np.abs(coarse - exact).max() <= 3 * np.abs(np.diff(np.unique(exact))).min()
