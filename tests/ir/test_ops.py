"""Every operation against a naive loop over plain Python numbers, and its interval against what it computes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.ops import Concat, Conv, Flatten, Input, MaxPool, OpError, Pad, Requantise, Rounding, SumPool
from ir.types import IntType, QuantParams, TensorType

UNIT = QuantParams(np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64))
ratios = st.fractions(-4, 4, max_denominator=60)
scalars = st.one_of(
    ratios,
    st.sampled_from([Fraction(1, 2), Fraction(-1, 4), Fraction(1), Fraction(0)]),
    st.floats(-3, 3, width=32).map(Fraction),
)


def rounded(mode: Rounding, value: Fraction) -> int:
    """Rounding by its textbook definition."""
    whole = value.numerator // value.denominator
    rest = value - whole
    away = whole + 1 if value > 0 else whole
    match mode:
        case Rounding.FLOOR:
            return whole
        case Rounding.CEIL:
            return -(-value.numerator // value.denominator)
        case Rounding.DOWN:
            return int(value)
        case Rounding.UP:
            return int(value) if rest == 0 else away
    if rest != Fraction(1, 2):
        return whole + (rest > Fraction(1, 2))
    if mode is Rounding.HALF_EVEN:
        return whole if whole % 2 == 0 else whole + 1
    return away if mode is Rounding.HALF_UP else 2 * whole + 1 - away


def tensor(shape: tuple[int, int, int], lo: int, hi: int) -> TensorType:
    ones = np.ones(shape[0], dtype=np.int64)
    return TensorType(shape, IntType.containing(lo, hi), ones * lo, ones * hi)


def assert_inside(kind: TensorType, value: np.ndarray) -> None:
    assert value.shape[1:] == kind.shape
    assert value.dtype == np.int64
    flat = np.moveaxis(value, 1, 0).reshape(kind.channels, -1)
    assert (flat >= kind.lo[:, None]).all() and (flat <= kind.hi[:, None]).all()
    assert kind.dtype.min <= kind.lo.min() and kind.hi.max() <= kind.dtype.max


@pytest.mark.parametrize("mode", list(Rounding))
@given(value=st.one_of(st.fractions(-5, 5, max_denominator=12), st.integers(-9, 9).map(lambda n: Fraction(n, 2))))
def test_rounding_of_a_fraction(mode: Rounding, value: Fraction) -> None:
    assert mode.of_fraction(value) == rounded(mode, value)
    assert mode.of_floats(np.array([float(value)]))[0] == rounded(mode, Fraction(float(value)))


@pytest.mark.parametrize("mode", list(Rounding))
@pytest.mark.parametrize("level", range(-3, 4))
def test_boundary_is_the_least_real_that_reaches_the_level(mode: Rounding, level: int) -> None:
    edge, inclusive = mode.boundary(level)
    tiny = Fraction(1, 10**9)
    assert (rounded(mode, edge) >= level) == inclusive
    assert rounded(mode, edge + tiny) >= level
    assert rounded(mode, edge - tiny) < level


@given(
    mode=st.sampled_from(list(Rounding)),
    multipliers=st.lists(st.tuples(scalars, scalars), min_size=1, max_size=3),
    offset=st.tuples(scalars, scalars),
    zero_point=st.integers(-3, 3),
    bounds=st.tuples(st.integers(-20, 20), st.integers(0, 30)),
    bipolar=st.booleans(),
    seed=st.integers(0, 99),
)
def test_requantise_is_the_exact_rational_function(
    mode: Rounding,
    multipliers: list[tuple[Fraction, Fraction]],
    offset: tuple[Fraction, Fraction],
    zero_point: int,
    bounds: tuple[int, int],
    bipolar: bool,
    seed: int,
) -> None:
    lo, hi = (-1, 1) if bipolar else (bounds[0], bounds[0] + bounds[1])
    dtype = IntType.containing(lo, hi)
    op = Requantise(tuple(multipliers), offset, zero_point, lo, hi, dtype, mode, UNIT, bipolar)
    generator = np.random.default_rng(seed)
    inputs = [generator.integers(-40, 41, (2, 2, 3, 1)) for _ in multipliers]
    result = op.evaluate(inputs)
    assert_inside(op.infer([tensor((2, 3, 1), -40, 40)] * len(multipliers)), result)
    for index in np.ndindex(result.shape):
        total = offset[index[1]] + sum(
            row[index[1]] * int(x[index]) for row, x in zip(multipliers, inputs, strict=True)
        )
        expected = (1 if total >= 0 else -1) if bipolar else min(max(rounded(mode, total) + zero_point, lo), hi)
        assert result[index] == expected


def test_requantise_decides_ties_of_huge_ratios_exactly() -> None:
    """acc * m lies within 1e-30 of a half: no float can tell on which side."""
    nearly_half = Fraction(1, 2) - Fraction(1, 10**30)
    for multiplier, expected in [(nearly_half, [0, 1, 1]), (Fraction(1, 2), [0, 1, 2])]:
        op = Requantise(((multiplier,),), (Fraction(0),), 0, -9, 9, IntType(5, True), Rounding.HALF_EVEN, UNIT)
        assert op.evaluate([np.array([1, 2, 3]).reshape(3, 1, 1, 1)]).ravel().tolist() == expected


@given(
    seed=st.integers(0, 999),
    groups=st.sampled_from([1, 2]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    zero_point=st.integers(-2, 5),
)
def test_conv_is_the_naive_loop(
    seed: int,
    groups: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    zero_point: int,
) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.integers(-2, 3, (4, 4 // groups, *kernel))
    op = Conv(weights, strides, pads, dilations, groups, zero_point)
    x = generator.integers(0, 8, (2, 4, 6, 5))
    kind = op.infer([tensor((4, 6, 5), 0, 7)])
    result = op.evaluate([x])
    assert_inside(kind, result)
    for n, co, oy, ox in np.ndindex(result.shape):
        total = 0
        for ci, ky, kx in np.ndindex(*weights.shape[1:]):
            y, z = oy * strides[0] + ky * dilations[0] - pads[0], ox * strides[1] + kx * dilations[1] - pads[1]
            if 0 <= y < 6 and 0 <= z < 5:
                channel = co // (4 // groups) * (4 // groups) + ci
                total += int(weights[co, ci, ky, kx]) * (int(x[n, channel, y, z]) - zero_point)
        assert result[n, co, oy, ox] == total


def test_conv_interval_is_reached() -> None:
    """Without padding, the interval's ends are attained by the matching extreme inputs."""
    weights = np.array([[[[1, -1], [0, 1]], [[-1, 1], [1, 0]]]])
    op = Conv(weights, zero_point=2)
    kind = op.infer([tensor((2, 2, 2), 0, 9)])
    extreme = np.where(weights > 0, 9, 0)
    assert op.evaluate([extreme]).item() == kind.hi[0] == 4 * 7 + 2 * 2
    assert op.evaluate([9 - extreme]).item() == kind.lo[0] == 4 * -2 - 2 * 7


def test_conv_is_exact_beyond_float64() -> None:
    op = Conv(np.full((1, 1, 1, 1), 3))
    x = np.array([2**60 + 1]).reshape(1, 1, 1, 1)
    assert op.evaluate([x]).item() == 3 * (2**60 + 1)
    with pytest.raises(OpError, match="more than 62 bits"):
        op.infer([tensor((1, 1, 1), 0, 2**61)])


@given(
    seed=st.integers(0, 999),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    zero_point=st.integers(-4, 4),
)
def test_pools_are_the_naive_loops(
    seed: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    zero_point: int,
) -> None:
    x = np.random.default_rng(seed).integers(-5, 6, (2, 3, 5, 6))
    kind = tensor((3, 5, 6), -5, 5)
    maxima, sums = MaxPool(kernel, strides, pads), SumPool(kernel, strides, pads, zero_point)
    for op, result in [(maxima, maxima.evaluate([x])), (sums, sums.evaluate([x]))]:
        assert_inside(op.infer([kind]), result)
        for n, c, oy, ox in np.ndindex(result.shape):
            window = [
                int(x[n, c, y, z])
                for y in range(oy * strides[0] - pads[0], oy * strides[0] - pads[0] + kernel[0])
                for z in range(ox * strides[1] - pads[1], ox * strides[1] - pads[1] + kernel[1])
                if 0 <= y < 5 and 0 <= z < 6
            ]
            expected = max(window) if op is maxima else sum(value - zero_point for value in window)
            assert result[n, c, oy, ox] == expected


def test_concat_pad_flatten() -> None:
    x, y = np.arange(8).reshape(1, 2, 2, 2), np.arange(4).reshape(1, 1, 2, 2) - 9
    kind = Concat().infer([tensor((2, 2, 2), 0, 7), tensor((1, 2, 2), -9, -6)])
    assert str(kind) == "s5[3x2x2] in [-9, 7]"
    assert kind.lo.tolist() == [0, 0, -9]
    assert Concat().evaluate([x, y])[0, :, 1, 1].tolist() == [3, 7, -6]
    pad = Pad((0, 1, 2, 0), 5)
    assert str(pad.infer([tensor((2, 2, 2), 0, 3)])) == "u3[2x4x3] in [0, 5]"
    assert pad.evaluate([x])[0, 1].tolist() == [[5, 4, 5], [5, 6, 7], [5, 5, 5], [5, 5, 5]]
    assert Flatten().evaluate([x]).shape == (1, 8, 1, 1)
    assert Flatten().evaluate([x]).ravel().tolist() == list(range(8))
    assert Flatten().infer([tensor((2, 2, 2), 0, 7)]).shape == (8, 1, 1)


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Conv(np.ones((1, 3, 1, 1))), [tensor((2, 4, 4), 0, 1)], "do not fit 2 channels"),
        (Conv(np.ones((1, 2, 5, 5))), [tensor((2, 4, 4), 0, 1)], "5x5 window does not fit"),
        (Conv(np.ones((1, 2, 1, 1)), strides=(0, 1)), [tensor((2, 4, 4), 0, 1)], "must be positive"),
        (MaxPool((1, 1), (1, 1), (1, 1, 1, 1)), [tensor((2, 4, 4), 0, 1)], "nothing but padding"),
        (MaxPool((1, 1)), [tensor((2, 4, 4), 0, 1)] * 2, "takes one operand"),
        (Concat(), [tensor((2, 4, 4), 0, 1), tensor((2, 4, 5), 0, 1)], "differ in height or width"),
        (Concat(), [], "at least one"),
        (Pad((0, 0, -1, 0), 0), [tensor((2, 4, 4), 0, 1)], "not be negative"),
        (Input((1, 1, 1), IntType(2, False), None, 0, 4), [], "does not fit u2"),
    ],
)
def test_operations_refuse_what_does_not_fit(op: Conv, inputs: list[TensorType], message: str) -> None:
    with pytest.raises(OpError, match=message):
        op.infer(inputs)


def test_requantise_refuses_what_does_not_fit() -> None:
    def make(rows: int, channels: int, hi: int) -> Requantise:
        row = (Fraction(1),) * channels
        return Requantise((row,) * rows, row, 0, 0, hi, IntType(4, False), Rounding.FLOOR, UNIT)

    x = tensor((2, 1, 1), 0, 9)
    with pytest.raises(OpError, match="2 rows of multipliers for 1"):
        make(2, 2, 15).infer([x])
    with pytest.raises(OpError, match="each of its 2 channels"):
        make(1, 3, 15).infer([x])
    with pytest.raises(OpError, match="does not fit u4"):
        make(1, 2, 16).infer([x])
    with pytest.raises(OpError, match="differ in shape"):
        make(2, 2, 15).infer([x, tensor((2, 2, 1), 0, 9)])
