"""How a layer's weights and inputs become integers: `Quantisation`."""

from __future__ import annotations

from dataclasses import dataclass

from apc.nn.errors import ConversionError

WEIGHTS = ("int", "ternary", "binary")
WEIGHT_SCALES = ("max", "learned")
ACTIVATION_SCALES = ("max", "percentile", "learned")
MOST_BITS = 16


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """Integers of a layer: weight = level * scale, input = level * scale, levels rounded half to even.

    ``weights``: "int", levels from -(2^(b-1) - 1) to 2^(b-1) - 1, b = ``weight_bits`` (2 to 16); "ternary", -1, 0 and
    1, by TWN (Li et al., Ternary weight networks, 2016); "binary", -1 and 1 (Rastegari et al., XNOR-Net, 2016); the
    last two do not read ``weight_bits``. ``per_channel``: a scale for each output, or one for the layer.
    ``weight_scale``: "max", the largest weight is the largest level, or "learned" (LSQ: Esser et al., Learned step size
    quantization, 2020), integers only.

    Inputs have ``activation_bits`` (1 to 16): from 0 to 2^b - 1 where calibration sees none below 0, else from
    -(2^(b-1) - 1) to 2^(b-1) - 1; what is beyond is clipped. ``activation_scale``: "max", nothing that calibration sees
    is clipped; "percentile", all but the largest magnitudes beyond ``percentile`` (50 to 100); "learned", LSQ.
    ``power_of_two``: all scales are powers of two, so that float32 arithmetic is exact (docs of
    ``apc.quantize.exact``).

    Raises ConversionError for a bad value.
    """

    weights: str = "int"
    weight_bits: int = 8
    activation_bits: int = 8
    per_channel: bool = True
    weight_scale: str = "max"
    activation_scale: str = "max"
    percentile: float = 99.99
    power_of_two: bool = False

    def __post_init__(self) -> None:
        self._check_choice("weights", self.weights, WEIGHTS)
        self._check_choice("weight_scale", self.weight_scale, WEIGHT_SCALES)
        self._check_choice("activation_scale", self.activation_scale, ACTIVATION_SCALES)
        self._check_bits("weight_bits", self.weight_bits, 2)
        self._check_bits("activation_bits", self.activation_bits, 1)
        if not 50 <= self.percentile <= 100:
            raise ConversionError(f"percentile = {self.percentile}: must be from 50 to 100 (percent)")
        if self.weight_scale == "learned" and self.weights != "int":
            raise ConversionError(f"weight_scale = learned with weights = {self.weights}: use weights = int, or max")

    @property
    def top(self) -> int:
        """The largest level of a weight."""
        return (1 << (self.weight_bits - 1)) - 1 if self.weights == "int" else 1

    def input_range(self, signed: bool) -> tuple[int, int]:
        """The lowest and highest level of an input that may be negative, or not."""
        if not signed:
            return 0, (1 << self.activation_bits) - 1
        high = (1 << (self.activation_bits - 1)) - 1
        return -high, high

    @staticmethod
    def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
        if value not in choices:
            raise ConversionError(f"{name} = {value!r}: must be one of {', '.join(choices)}")

    @staticmethod
    def _check_bits(name: str, value: int, least: int) -> None:
        if not isinstance(value, int) or not least <= value <= MOST_BITS:
            raise ConversionError(f"{name} = {value!r}: must be a whole number from {least} to {MOST_BITS}")
