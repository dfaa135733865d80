"""The compiled loops of converters: inputs to integers, integers to slices, currents to outputs."""

from __future__ import annotations

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale

forget_stale(__file__)

HALF_EVEN = 1.5 * 2.0**52
"""Added and subtracted again, it rounds a float64 below 2^51 half to even, many at a time."""
_SNAP = 1.5 * 2.0**22
"""The same to multiples of 2^-30: codes that are tied in exact arithmetic are tied here, whatever float64 made of
them."""


@njit(nogil=True, cache=True)
def quantise(x: np.ndarray, scale: float, low: float, steps: float, out: np.ndarray, first: int, last: int) -> None:
    """out = rint((clip(scale * x, low, 1) - low) * steps / (1 - low)), less what 0 becomes, for elements [first,
    last). ``low`` is 0 or -1."""
    share = 1.0 / (1.0 - low)  # a power of two
    zero = -low * steps * share
    source, target = x[first:last], out[first:last]
    for index in range(source.shape[0]):
        value = source[index] * scale
        value = low if value < low else value
        value = 1.0 if value > 1.0 else value
        target[index] = (((value - low) * steps * share + HALF_EVEN) - HALF_EVEN) - zero


@njit(nogil=True, cache=True)
def take_slices(
    x: np.ndarray, bits: int, start: int, number: int, base: float, out: np.ndarray, first: int, last: int
) -> None:
    """out = sum over j < number of base^j times the digit start + j of |x| base 2^bits with x's sign, elements
    [first, last)."""
    mask = np.int32((1 << bits) - 1)
    source, target = x[first:last], out[first:last]
    target[:] = 0.0
    weight = np.float32(1.0)
    for digit in range(start, start + number):
        shift = np.int32(bits * digit)
        for index in range(source.shape[0]):
            value = np.int32(source[index])
            size = -value if value < 0 else value
            part = weight * np.float32((size >> shift) & mask)
            target[index] += -part if value < 0 else part
        weight *= np.float32(base)


@njit(nogil=True, cache=True)
def _digit(rest: np.ndarray, base: float, last: bool, out: np.ndarray) -> None:
    """The lowest balanced digit of ``rest`` base ``base`` into ``out``; what remains in ``rest``."""
    if last:
        for place in range(rest.shape[0]):
            out[place] = rest[place]
        return
    inverse = 1.0 / base
    for place in range(rest.shape[0]):
        above = (rest[place] * inverse + HALF_EVEN) - HALF_EVEN
        out[place] = rest[place] - base * above
        rest[place] = above


@njit(nogil=True, cache=True)
def _digitise(current: np.ndarray, factor: float, shift: float, top: float, gain: float, total: np.ndarray) -> None:
    """total += gain * (code - shift), where code = rint(clip(factor * current + shift, 0, top))."""
    for place in range(current.shape[0]):
        code = factor * current[place] + shift
        code = 0.0 if code < 0.0 else code
        code = top if code > top else code
        code = (code + _SNAP) - _SNAP
        total[place] += gain * (((code + HALF_EVEN) - HALF_EVEN) - shift)


@njit(nogil=True, cache=True)
def _digitise_shifted(
    current: np.ndarray,
    factor: float,
    inputs: np.ndarray,
    per_input: float,
    shift: float,
    top: float,
    gain: float,
    total: np.ndarray,
) -> None:
    """The same with per_input * inputs added before rounding."""
    for place in range(current.shape[0]):
        code = factor * current[place] + per_input * inputs[place] + shift
        code = 0.0 if code < 0.0 else code
        code = top if code > top else code
        code = (code + _SNAP) - _SNAP
        total[place] += gain * (((code + HALF_EVEN) - HALF_EVEN) - shift)


@njit(nogil=True, cache=True)
def convert(
    sums: np.ndarray,
    channels: np.ndarray,
    inputs_channel: np.ndarray,
    factors: np.ndarray,
    tops: np.ndarray,
    base: float,
    scales: np.ndarray,
    started: bool,
    out: np.ndarray,
    first: int,
    last: int,
) -> None:
    """Digitise and add up: rows [first, last) of out, (images * outputs, positions), in place.

    ``sums``: float32 or float64 (images, signals, positions). ``channels``: int64[outputs, terms], the signal of each
    term; ``inputs_channel``: int64[outputs], the signal that sums the inputs (-1: none). ``factors``: float64[4,
    packed, terms]: code = factors[0] * sum + factors[1] * inputs + factors[2], rounded and clipped to 0 .. tops[term]
    (negative: neither, factors[2] is 0), adds factors[3] * (code - factors[2]). ``packed`` sums are balanced digits
    base ``base``. ``started``: add to what out holds; then all is multiplied by ``scales``, float64[outputs].
    """
    outputs, terms = channels.shape
    packed, positions = factors.shape[1], sums.shape[2]
    total, rest, current = np.empty(positions), np.empty(positions), np.empty(positions)
    inputs = np.zeros((packed, positions))
    known = -1
    for row in range(first, last):
        image, output = divmod(row, outputs)
        source = inputs_channel[output]
        if source >= 0 and image * sums.shape[1] + source != known:
            known = image * sums.shape[1] + source
            rest[:] = sums[image, source]
            for digit in range(packed):
                _digit(rest, base, digit == packed - 1, inputs[digit])
        total[:] = 0.0
        if started:
            for place in range(positions):
                total[place] += out[row, place]
        for term in range(terms):
            rest[:] = sums[image, channels[output, term]]
            for digit in range(packed):
                factor, per_input, shift, gain = factors[:, digit, term]
                _digit(rest, base, digit == packed - 1, current)
                if tops[term] < 0:
                    for place in range(positions):
                        total[place] += gain * (factor * current[place] + per_input * inputs[digit, place])
                elif per_input != 0.0:
                    _digitise_shifted(current, factor, inputs[digit], per_input, shift, tops[term], gain, total)
                else:
                    _digitise(current, factor, shift, tops[term], gain, total)
        scale = scales[output]
        for place in range(positions):
            out[row, place] = total[place] * scale
