"""The fields of an `AcimConfig`: what each may hold, and what it means. Checks and the JSON schema read this."""

from __future__ import annotations

from simulator.analog.field_specs import Choice, Number, Spec, bits

_MOST = 1e6
_LSB = "in steps of the converter (LSB)"
_LEVEL = (
    "the most significant cycles, weight bit i and digit j of D with i + j > weight_bits + D - 2 - level, are "
    "level * (level + 1) / 2 while level <= min(weight_bits, D), and in the end all"
)

FIELDS: dict[str, Spec] = {
    "weight_bits": bits("bits of a two's complement weight, each a column of cells", 2),
    "activation_bits": bits("bits of an input, unsigned", 1),
    "dac_bits": bits("bits of an input that drive a row at a time (a digit)", 1),
    "rows": Number("rows of an array", 1, 1 << 16, whole=True),
    "adc_bits": bits("bits of a converter, whose codes span no row to all rows driven fully", 1),
    "noise_lsb": Number(f"standard deviation of the Gaussian noise of every conversion, {_LSB}", 0, _MOST),
    "noise_percent_fs": Number("the same in percent of the converter's full scale", 0, _MOST),
    "offset_lsb": Number(f"standard deviation of a column's static offset, {_LSB}", 0, _MOST),
    "gain_sigma": Number("standard deviation of a column's static gain about 1", 0, _MOST),
    "inl_lsb": Number(
        f"standard deviation at mid-scale of a converter's static nonlinearity, 0 at both ends, {_LSB}", 0, _MOST
    ),
    "hybrid_level": Number(
        f"level of the cycles that are computed digitally, without a converter; {_LEVEL}", 0, 31, whole=True
    ),
    "voting": Number("conversions of a cycle that votes (odd)", 1, 31, whole=True),
    "voting_level": Number("level (as hybrid_level) of the cycles that vote", 0, 31, whole=True),
    "voting_rule": Choice(
        "which of the codes counts: the most frequent, of several the smallest; or the median", ("mode", "median")
    ),
}
