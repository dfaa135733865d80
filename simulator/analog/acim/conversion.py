"""All conversions of a layer: what its arrays make of inputs that drive their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd

import numpy as np

from simulator.analog.acim import kernels
from simulator.analog.acim.config import AcimConfig, AcimConfigError
from simulator.analog.acim.converter import converter
from simulator.analog.acim.noise import TOGETHER
from simulator.analog.acim.planes import input_planes, weight_planes
from simulator.analog.acim.static import NOISE, StaticErrors
from simulator.analog.normals import philox_seed
from simulator.analog.partition import RowPart
from simulator.analog.threads import in_parts
from simulator.analog.unfold import POSITIONS

LARGEST_SUM = LAST_POSITION = 1 << 62
NO_OUTPUTS = np.empty((0, 0, 0))
NO_VALUES = np.empty((0, 0, 0, 0, 0), np.int32)
NO_COUNTS = np.empty((0, 0, 0), np.int64)


class Conversions:
    """``matrix``, integers (groups, outputs, rows), in tiles of ``rows``. ``constants``: what is added to every output
    of the groups in turn.

    Inputs are uint16 (images, groups, channels, height, width), padded already, that ``moves`` (of `Geometry.moves`)
    goes over; ``size``: height and width of the output. Raises AcimConfigError where results may be beyond int64.
    """

    def __init__(
        self,
        matrix: np.ndarray,
        rows: Sequence[RowPart],
        moves: np.ndarray,
        config: AcimConfig,
        static: StaticErrors,
        seed: Sequence[int],
        constants: np.ndarray,
    ) -> None:
        self._config, self._rows, self._moves = config, rows, moves
        self._decoding = _decoding(config, len(rows), constants)
        self._converter = converter(config, static.inl.shape[-1])
        # without noise a code is the same in every vote
        most = config.voting if config.noise_sigma_lsb else 1
        shape = (config.weight_bits, config.digits)
        votes = np.array([min(config.cycles.votes(i, j), most) for i, j in np.ndindex(shape)]).reshape(shape)
        ballots = np.maximum.reduceat(votes, range(0, config.weight_bits, TOGETHER))
        planes = weight_planes(matrix, rows, config.weight_bits)
        errors = (static.gain, static.offset, static.inl)
        self._arrays = kernels.Arrays(
            planes, votes, ballots, int(votes.max()), config.dac_bits, *errors, philox_seed((*seed, NOISE))
        )
        self._digital = self._arrays._replace(votes=np.zeros_like(votes), ballots=np.zeros_like(ballots))
        self._channels = planes.shape[0] * planes.shape[2]

    def outputs(self, images: np.ndarray, size: tuple[int, int], first_image: int) -> np.ndarray:
        """float64 (images, groups * outputs, positions): the decoded sums of all conversions."""
        out = np.empty((len(images), self._channels, size[0] * size[1]))
        for some, planes, place in self._parts(images, size, first_image):
            self._convert(planes, self._arrays, place, kernels.Sinks(out[some], NO_VALUES, NO_COUNTS))
        return out

    def codes(self, images: np.ndarray, size: tuple[int, int], first_image: int) -> np.ndarray:
        """int32 (images, groups * outputs, tiles, weight bits, digits, positions): codes, -1 in digital cycles."""
        codes = self._values(images, size, first_image, self._arrays)
        codes[:, :, :, self._arrays.votes == 0] = -1
        return codes

    def macs(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The same of the exact sums of the columns."""
        return self._values(images, size, 0, self._digital)

    def histogram(self, images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """int64[weight bits, digits, full scale + 1]: how often each sum occurs."""
        shape = (*self._arrays.votes.shape, self._config.full_scale + 1)
        total = np.zeros(shape, np.int64)
        for _, planes, place in self._parts(images, size, 0):
            self._convert(planes, self._digital, place, kernels.Sinks(NO_OUTPUTS, NO_VALUES, total))
        return total

    def _values(
        self, images: np.ndarray, size: tuple[int, int], first_image: int, arrays: kernels.Arrays
    ) -> np.ndarray:
        each = size[0] * size[1]
        shape = (self._channels, len(self._rows), *arrays.votes.shape)
        out = np.empty((len(images), *shape, each), np.int32)
        for some, planes, place in self._parts(images, size, first_image):
            part = np.empty((*shape, place[0]), np.int32)
            self._convert(planes, arrays, place, kernels.Sinks(NO_OUTPUTS, part, NO_COUNTS))
            out[some] = np.moveaxis(part.reshape(*shape, -1, each), 4, 0)
        return out

    def _parts(
        self, images: np.ndarray, size: tuple[int, int], first_image: int
    ) -> Iterator[tuple[slice, np.ndarray, tuple[int, int]]]:
        """Some images at a time: which, what their rows see, and their place as for ``kernels.convert``."""
        each = size[0] * size[1]
        most = LAST_POSITION // each - len(images)
        if not 0 <= first_image <= most:
            raise AcimConfigError(f"first_image = {first_image}: must be from 0 to {most}")
        together = -(-POSITIONS // each)
        for start in range(0, len(images), together):
            some = slice(start, min(start + together, len(images)))
            planes = input_planes(images[some], self._rows, self._moves, size, self._config.activation_bits)
            yield some, planes, ((some.stop - start) * each, (first_image + start) * each)

    def _convert(
        self, planes: np.ndarray, arrays: kernels.Arrays, place: tuple[int, int], sinks: kernels.Sinks
    ) -> None:
        counts: list[np.ndarray] = []

        def work(first: int, last: int) -> None:
            own = sinks._replace(counts=np.zeros_like(sinks.counts))
            kernels.convert(planes, arrays, self._converter, self._decoding, place, own, first, last)
            counts.append(own.counts)

        in_parts(work, kernels.units_of(planes, arrays.weights.shape[2]))
        for own in counts:
            sinks.counts[...] += own


def _decoding(config: AcimConfig, tiles: int, constants: np.ndarray) -> kernels.Decoding:
    """Codes times the full scale and digital sums times the top code, over the top code, all by what they have in
    common."""
    common = gcd(config.full_scale, config.top_code)
    code, mac = config.full_scale // common, config.top_code // common
    cycles = ((1 << config.weight_bits) - 1) * sum(1 << (config.dac_bits * digit) for digit in range(config.digits))
    if cycles * tiles * config.full_scale * mac > LARGEST_SUM:
        raise AcimConfigError(
            f"adc_bits = {config.adc_bits}: with weight_bits = {config.weight_bits}, activation_bits = "
            f"{config.activation_bits} and {tiles} x {config.rows} rows results are beyond 2^62: use fewer bits"
        )
    return kernels.Decoding(code, mac, constants * mac, mac)
