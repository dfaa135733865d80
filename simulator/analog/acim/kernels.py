"""The conversions of a layer, block of positions by block of positions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ir.kernel_cache import forget_stale
from simulator.analog import normals as normals_file
from simulator.analog.acim.converter import Converter, codes_of, exact_codes, levels, vote
from simulator.analog.acim.noise import TOGETHER, four_normals
from simulator.analog.acim.planes import BLOCK
from simulator.analog.acim.popcount import LANES, lane_macs

forget_stale(__file__, normals_file.__file__)

OUTPUTS = 16
"""Outputs of a unit of work: as many use a digit's planes while they are at hand."""


class Arrays(NamedTuple):
    """What is in the arrays of a layer. ``weights``: of ``weight_planes``; ``votes``, int64[weight bits, digits]: of
    every cycle, 0 where it is digital; ``ballots``: the most of TOGETHER weight bits, and ``most`` of all; ``gain``,
    ``offset``, ``inl``: of `StaticErrors`; ``seed``: of ``philox_seed``."""

    weights: np.ndarray
    votes: np.ndarray
    ballots: np.ndarray
    most: int
    dac_bits: int
    gain: np.ndarray
    offset: np.ndarray
    inl: np.ndarray
    seed: np.ndarray


class Decoding(NamedTuple):
    """Outputs are (``code`` * codes + ``mac`` * sums that were computed digitally + ``constants[output]``) /
    ``divisor``, in int64 up to the division."""

    code: int
    mac: int
    constants: np.ndarray
    divisor: int


class Sinks(NamedTuple):
    """Where results go; what is not wanted has no rows. ``outputs``: float64 (images, channels, positions);
    ``values``: int32 (channels, tiles, weight bits, digits, positions of all images), codes, or sums in digital cycles;
    ``counts``: int64 (weight bits, digits, full scale + 1), to which is added how often a sum occurs, where all cycles
    are digital."""

    outputs: np.ndarray
    values: np.ndarray
    counts: np.ndarray


class Scratch(NamedTuple):
    """Of one unit of work: rows of lanes."""

    macs: np.ndarray
    level: np.ndarray
    drawn: np.ndarray
    normals: np.ndarray
    words: np.ndarray
    uniform: np.ndarray
    tally: np.ndarray


class Unit(NamedTuple):
    """Some outputs at one block of positions: ``lanes`` of them, of which there are ``positions``."""

    block: int
    group: int
    low: int
    high: int
    lanes: int
    positions: int


def units_of(planes: np.ndarray, outputs: int) -> int:
    """Units of work of groups with ``outputs`` each."""
    return int(planes.shape[0] * planes.shape[1] * -(-outputs // OUTPUTS))


@njit(nogil=True, error_model="numpy")
def _unit(number: int, groups: int, outputs: int, positions: int) -> Unit:
    each = -(-outputs // OUTPUTS)
    block, group, low = number // (groups * each), number // each % groups, number % each * OUTPUTS
    here = min(BLOCK, positions - block * BLOCK)
    return Unit(block, group, low, min(low + OUTPUTS, outputs), -(-here // LANES) * LANES, here)


@njit(nogil=True, error_model="numpy")
def _scratch(ballots: int, lanes: int) -> Scratch:
    return Scratch(
        np.empty(lanes, np.int32),
        np.empty(lanes, np.float32),
        np.empty((ballots, lanes), np.int32),
        np.zeros((ballots, TOGETHER, lanes), np.float32),
        np.empty((4, lanes), np.uint64),
        np.empty(lanes, np.float32),
        np.empty((2, lanes), np.int32),
    )


@njit(nogil=True, error_model="numpy")
def _cycles(
    planes: np.ndarray,
    place: tuple[int, int, int, int, int],
    position: int,
    arrays: Arrays,
    c: Converter,
    s: Scratch,
    out: np.ndarray,
) -> None:
    """``out``, int32[weight bits, lanes] <- the codes of the cycles of a digit, or the sums where these are digital.
    ``place``: block, group, tile, output, digit; ``position``: the first of the block among those of all images."""
    block, group, tile, output, digit = place
    _, groups, tiles, input_bits, words, wide = planes.shape
    outputs, weight_bits = arrays.weights.shape[2:4]
    low = digit * arrays.dac_bits
    bits = min(arrays.dac_bits, input_bits - low)
    plane = (((block * groups + group) * tiles + tile) * input_bits + low) * words * wide
    column = ((group * tiles + tile) * outputs + output) * weight_bits
    fours = -(-weight_bits // TOGETHER)
    number = (((group * outputs + output) * tiles + tile) * arrays.votes.shape[1] + digit) * fours
    for i in range(weight_bits):
        votes = arrays.votes[i, digit]
        if c.sigma > 0 and i % TOGETHER == 0:
            for ballot in range(arrays.ballots[i // TOGETHER, digit]):
                four = (number + i // TOGETHER) * len(s.drawn) + ballot
                four_normals(position, four, arrays.seed, s.words, s.uniform, s.normals[ballot])
        for lane in range(0, out.shape[1], LANES):
            weight = (column + i) * words
            lane_macs(planes, plane + lane, bits, words * wide, words, wide, arrays.weights, weight, s.macs, lane)
        if votes == 0:
            _copy(s.macs, i, out)
        elif not (c.sigma > 0 or c.static):
            exact_codes(s.macs, c, i, out)
        else:
            gain, offset = arrays.gain[group, tile, output, i], arrays.offset[group, tile, output, i]
            levels(s.macs, c, gain, offset, arrays.inl[group, tile, output], s.level)
            if votes == 1:
                codes_of(s.level, s.normals[0, i % TOGETHER], c, i, out)
            else:
                for ballot in range(votes):
                    codes_of(s.level, s.normals[ballot, i % TOGETHER], c, ballot, s.drawn)
                vote(s.drawn, votes, c.median, s.tally, i, out)


@njit(nogil=True, error_model="numpy")
def _copy(source: np.ndarray, row: int, target: np.ndarray) -> None:
    """``target[row]`` <- the first of ``source``: compiled in a tenth of an assignment's time."""
    for p in range(target.shape[1]):
        target[row, p] = source[p]


@njit(nogil=True, error_model="numpy")
def _add(
    values: np.ndarray, votes: np.ndarray, low: int, decoding: Decoding, part: np.ndarray, total: np.ndarray
) -> None:
    """Add to ``total``, int64[lanes], the ``values`` of the cycles of a digit whose lowest bit is ``low``, each in its
    place, that of the top weight bit subtracted. ``part``: scratch, int32[lanes], which holds codes of any width."""
    part[:] = 0
    top = len(values) - 1
    for i in range(len(values)):
        if votes[i] == 0:
            factor = decoding.mac << (low + i)
            factor = -factor if i == top else factor
            for p in range(len(total)):
                total[p] += factor * values[i, p]
        elif i == top:
            for p in range(len(part)):
                part[p] -= values[i, p] << i
        else:
            for p in range(len(part)):
                part[p] += values[i, p] << i
    for p in range(len(total)):
        total[p] += (decoding.code << low) * part[p]


@njit(nogil=True, cache=True, error_model="numpy")
def convert(
    planes: np.ndarray,
    arrays: Arrays,
    c: Converter,
    decoding: Decoding,
    place: tuple[int, int],
    sinks: Sinks,
    first: int,
    last: int,
) -> None:
    """Units [first, last) of what the ``planes`` of ``input_planes`` make. ``place``: how many positions there are, and
    the place of the first among those of all images."""
    groups, tiles = planes.shape[1:3]
    weight_bits, digits = arrays.votes.shape
    outputs = arrays.weights.shape[2]
    for number in range(first, last):
        unit = _unit(number, groups, outputs, place[0])
        start, stop = unit.block * BLOCK, unit.block * BLOCK + unit.positions
        scratch = _scratch(arrays.most, unit.lanes)
        values = np.empty((weight_bits, unit.lanes), np.int32)
        total = np.zeros((unit.high - unit.low, unit.lanes), np.int64)
        for tile in range(tiles):
            for digit in range(digits):
                for output in range(unit.low, unit.high):
                    at = (unit.block, unit.group, tile, output, digit)
                    _cycles(planes, at, place[1] + start, arrays, c, scratch, values)
                    if len(sinks.outputs):
                        low, row = digit * arrays.dac_bits, total[output - unit.low]
                        _add(values, arrays.votes[:, digit], low, decoding, scratch.macs, row)
                    if len(sinks.values):
                        channel = unit.group * outputs + output
                        for i in range(weight_bits):
                            _copy(values[i], i, sinks.values[channel, tile, :, digit, start:stop])
                    if len(sinks.counts):
                        _count(values, unit.positions, sinks.counts[:, digit])
        if len(sinks.outputs):
            channel = unit.group * outputs + unit.low
            _decode(total, channel, start, unit.positions, decoding, sinks.outputs)


@njit(nogil=True, error_model="numpy")
def _count(values: np.ndarray, positions: int, counts: np.ndarray) -> None:
    for i in range(len(values)):
        for p in range(positions):
            counts[i, values[i, p]] += 1


@njit(nogil=True, error_model="numpy")
def _decode(
    total: np.ndarray, channel: int, start: int, positions: int, decoding: Decoding, outputs: np.ndarray
) -> None:
    """Sums of some channels, the first of which is ``channel``, at the positions from ``start`` on."""
    for row in range(len(total)):
        for p in range(positions):
            image, at = divmod(start + p, outputs.shape[2])
            outputs[image, channel + row, at] = (total[row, p] + decoding.constants[channel + row]) / decoding.divisor
