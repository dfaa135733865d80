"""Normals by counter: the generator's published answers, the distribution, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.analog.normals import COUNTERS, TILE, fill_normals, philox, tile
from tests.simulator.analog.one_thread import one_thread

COUNT = 1_000_000


def normals(count: int, seed: tuple[int, ...], start: int = 0, dtype: type = np.float64) -> np.ndarray:
    out = np.empty(count, dtype)
    fill_normals(out, seed, start)
    return out


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_bits_are_those_published_with_philox(counter: tuple, key: tuple, answer: tuple) -> None:
    words = np.empty((4, COUNTERS), np.uint64)
    first = np.array(counter[0] | counter[1] << 32, np.uint64).astype(np.int64)
    philox(int(first), np.array([*key, *counter[2:]], np.uint64), words)
    assert tuple(words[:, 0]) == answer


def test_the_transform_is_box_and_mullers() -> None:
    seed, words, out = np.arange(4, dtype=np.uint64), np.empty((4, COUNTERS), np.uint64), np.empty(TILE)
    tile(3, seed, words, np.empty((2, COUNTERS)), out)
    philox(3 * COUNTERS, seed, words)
    first, second = ([int(a) << 32 | int(b) for a, b in zip(*pair, strict=True)] for pair in (words[:2], words[2:]))
    radius = np.sqrt(-2 * np.log([((n >> 12) + 0.5) * 2.0**-52 for n in first]))
    angle = np.pi / 2 * np.array([(n >> 62) + (n >> 10 & (1 << 52) - 1) * 2.0**-52 - 0.5 for n in second])
    np.testing.assert_allclose(out[:COUNTERS], radius * np.cos(angle), rtol=1e-13, atol=2e-15)
    np.testing.assert_allclose(out[COUNTERS:], radius * np.sin(angle), rtol=1e-13, atol=2e-15)


def test_moments_and_distribution_are_those_of_the_normal() -> None:
    values = normals(COUNT, (6, 1))
    for power, mean, square in ((1, 0, 1), (2, 1, 3), (3, 0, 15), (4, 3, 105), (6, 15, 10395)):
        error = np.sqrt((square - mean**2) / COUNT)
        assert abs((values**power).mean() - mean) < 4 * error, power
    assert stats.kstest(values, "norm").pvalue > 1e-3
    assert stats.kstest(values[: COUNT // 2] ** 2 + values[COUNT // 2 :] ** 2, "chi2", (2,)).pvalue > 1e-3


def test_tails_have_their_share() -> None:
    values = np.abs(normals(4 * COUNT, (17,)))
    for bound in (3.0, 4.0, 4.5):
        expected = 4 * COUNT * 2 * stats.norm.sf(bound)
        assert abs((values > bound).sum() - expected) < 4 * np.sqrt(expected), bound


def test_p_values_over_seeds_are_uniform() -> None:
    p_values = [stats.kstest(normals(20_000, (5, seed)), "norm").pvalue for seed in range(100)]
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_streams_and_neighbours_are_independent() -> None:
    streams = [normals(COUNT // 4, seed) for seed in ((0,), (1,), (0, 1), (1, 0), (0, 0, 1), (2**32,))]
    streams += [np.roll(streams[0], lag) for lag in (1, 2, COUNTERS, TILE)]
    for a in range(len(streams)):
        for b in range(a):
            for power in (1, 2):
                assert abs(np.corrcoef(streams[a] ** power, streams[b] ** power)[0, 1]) < 4.5 / np.sqrt(COUNT / 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3 * TILE), st.integers(0, 3 * TILE), st.sampled_from([np.float32, np.float64]))
def test_an_element_depends_on_its_place_alone(start: int, count: int, dtype: type) -> None:
    every = normals(6 * TILE, (1, 2))
    assert np.array_equal(normals(count, (1, 2), start, dtype), every[start : start + count].astype(dtype))


def test_places_beyond_32_bits_and_threads_do_not_matter() -> None:
    start, count = 2**41 + 77, 100 * TILE
    every = normals(count, (3,), start)
    assert not np.array_equal(every[:TILE], normals(TILE, (3,), 77))
    with one_thread():
        assert np.array_equal(normals(count, (3,), start), every)
    assert np.array_equal(normals(10, (3,), start + count - 10), every[-10:])


def test_arrays_of_any_shape_are_filled_in_memory_order() -> None:
    out = np.empty((3, 5, 7), np.float32)
    fill_normals(out, (4,), 9)
    assert np.array_equal(out.reshape(-1), normals(105, (4,), 9, np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        fill_normals(out.T, (4,), 0)
