"""Kernels of a conversion, each beside its definition."""

from fractions import Fraction
from statistics import median, multimode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analog.acim.config import AcimConfig
from simulator.analog.acim.converter import converter, exact_codes, vote
from simulator.analog.acim.planes import weight_planes
from simulator.analog.partition import row_parts


@settings(max_examples=200, deadline=None)
@given(votes=st.sampled_from([3, 5, 7, 31]), columns=st.lists(st.lists(st.integers(0, 9), min_size=31), max_size=8))
def test_votes_are_the_mode_or_the_median(votes: int, columns: list[list[int]]) -> None:
    drawn = np.array([column[:votes] for column in columns], np.int32).reshape(len(columns), votes).T.copy()
    for by_median in (False, True):
        codes = np.empty((2, len(columns)), np.int32)
        vote(drawn.copy(), votes, by_median, np.empty((2, len(columns)), np.int32), 1, codes)
        for code, column in zip(codes[1], columns, strict=True):
            own = column[:votes]
            assert code == (median(own) if by_median else min(multimode(own)))


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 700), dac_bits=st.integers(1, 4), adc_bits=st.integers(1, 16))
def test_codes_without_errors_are_those_of_fractions(rows: int, dac_bits: int, adc_bits: int) -> None:
    """Every sum that is nearly or exactly between two codes, and some others."""
    config = AcimConfig(rows=rows, dac_bits=dac_bits, adc_bits=adc_bits)
    full, top = config.full_scale, config.top_code
    codes = np.arange(min(top, 500))
    near = ((2 * codes + 1) * full) // (2 * top)
    macs = np.unique(np.clip(np.concatenate([near - 1, near, near + 1, [full]]), 0, full)).astype(np.int32)
    for quick in {False, converter(config, 2).quick}:
        found = np.empty((1, len(macs)), np.int32)
        exact_codes(macs, converter(config, 2)._replace(quick=quick), 0, found)
        assert found[0].tolist() == [round(Fraction(int(mac) * top, full)) for mac in macs]


def test_half_codes_are_never_left_to_float32() -> None:
    """Where float32 is taken, it is right for every sum: ties, which half to even decides, included."""
    for rows, adc_bits in ((254, 7), (510, 8), (510, 7), (2, 1), (30, 4), (255, 7)):
        config = AcimConfig(rows=rows, adc_bits=adc_bits)
        macs, codes = np.arange(config.full_scale + 1, dtype=np.int32), np.empty((1, config.full_scale + 1), np.int32)
        exact_codes(macs, converter(config, 2), 0, codes)
        assert codes[0].tolist() == [round(Fraction(int(mac) * config.top_code, rows)) for mac in macs]


@pytest.mark.parametrize(("bits", "rows"), [(2, 1), (4, 33), (8, 64), (16, 40)])
def test_weight_planes_are_twos_complement(bits: int, rows: int) -> None:
    half = 1 << (bits - 1)
    matrix = np.random.default_rng(0).integers(-half, half, (2, 3, 70))
    parts = row_parts(70, 1, rows)
    planes = weight_planes(matrix, parts, bits)
    for tile, part in enumerate(parts):
        for row in range(part.start, part.stop):
            word, place = divmod(row - part.start, 32)
            ones = (planes[:, tile, :, :, word] >> np.uint32(place)) & 1
            places = [-(1 << i) if i == bits - 1 else 1 << i for i in range(bits)]
            assert (ones @ np.array(places) == matrix[:, :, row]).all()
        beyond = [int(word).bit_length() for word in planes[:, tile, :, :, -1].ravel()]
        assert max(beyond) <= part.stop - part.start - 32 * (planes.shape[-1] - 1)
