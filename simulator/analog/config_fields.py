"""The plain fields of a `CrossbarConfig`: what each may hold, and what it means. Checks and the JSON schema read
this."""

from __future__ import annotations

import math

from simulator.analog.field_specs import Choice, Number, Spec, Switch, bits

_RESISTANCE = "in units of the resistance of a cell of highest conductance (Rp/Rmin)"
_COUNT = 1 << 24

FIELDS: dict[str, Spec] = {
    "mapping": Choice("how signed weights become conductances", ("differential", "offset")),
    "differential_style": Choice(
        "one_sided: one cell of a pair holds |w|; two_sided: both move about the middle", ("one_sided", "two_sided")
    ),
    "subtract_in_analog": Switch("whether a pair's currents are subtracted before one ADC, else after two"),
    "offset_subtraction": Choice(
        "offset mapping: computed digitally, or an extra column digitised and subtracted", ("digital", "unit_column")
    ),
    "binary_mapping": Choice(
        "weights are +1 and -1 (overrides mapping): one cell and an offset, a pair of columns, or a pair of rows",
        ("offset_cell", "two_columns", "xnor_rows"),
        optional=True,
    ),
    "weight_bits": bits(
        "bits of a weight with its sign; quantises weights where slices > 1, and is needed there; else cell_bits do",
        2,
        24,
        optional=True,
    ),
    "slices": bits("cells (or pairs of cells) a weight is spread over", 1, 24),
    "cell_bits": bits("bits a cell holds; 0: analog where slices = 1, derived from weight_bits and slices otherwise"),
    "on_off_ratio": Number("Rmax/Rmin", 1, math.inf, above=True, infinite=True),
    "weight_max_per": Choice("what shares one largest weight", ("matrix", "column")),
    "dac_bits": bits("bits of the DAC with its sign; 0: inputs are real and not clipped"),
    "dac_signed": Switch("whether inputs have a sign: full scale is half of input_range, else all of it"),
    "input_slice_bits": bits("bits of an input applied at a time; 0: all at once"),
    "adc_per_input_slice": Switch("whether every input slice is digitised, else their analog sum"),
    "adc_bits": bits("bits of the ADC; 0: none", 0, 20),
    "adc_percentile": Number("calibrated: the inner share in percent that is kept", 0, 100, above=True),
    "adc_sign_magnitude": Switch("whether the ADC has 2^n - 1 levels about 0, else 2^n"),
    "rows_max": Number("rows of an array; 0: unlimited", 0, _COUNT, whole=True),
    "columns_max": Number("columns of an array, a unit column not counted; 0: unlimited", 0, _COUNT, whole=True),
    "stuck_on": Number("probability that a cell is stuck at Gmax", 0, 1),
    "stuck_off": Number("probability that a cell is stuck at Gmin", 0, 1),
    "row_resistance": Number(f"a row wire's (separate_source: a supply's) resistance per cell {_RESISTANCE}", 0, 1e6),
    "column_resistance": Number(f"a column wire's resistance per cell {_RESISTANCE}", 0, 1e6),
    "row_terminal": Number(f"resistance of a row's driver {_RESISTANCE}", 0, 1e6),
    "column_terminal": Number(f"resistance of a column's sense circuit {_RESISTANCE}", 0, 1e6),
    "topology": Choice(
        "input: rows drive; interleaved: pairs share a column; separate_source: input bits gate cells fed by a supply",
        ("input", "interleaved", "separate_source"),
    ),
    "precision": Choice("of what is analog; integers are exact either way", ("float64", "float32")),
}

RECORDS: dict[str, dict[str, Spec]] = {
    "ProgrammingError": {
        "independent": Number("standard deviation in units of Gmax", 0, 100),
        "proportional": Number("standard deviation in units of the cell's conductance", 0, 100),
    },
    "Drift": {
        "model": Choice("measured spreads, or a power law of time", ("sonos", "power_law")),
        "days": Number("sonos: days since programming (measured to 5)", 0, 5),
        "full_scale": Number("sonos: Gmax in nA", 0, 1800, above=True, optional=True),
        "time": Number("power law: time of reading", 0, 1e18, above=True),
        "reference_time": Number("power law: time of programming, in the unit of time", 0, 1e18, above=True),
        "exponent": Number("power law: mean of nu", 0, 10),
        "exponent_spread": Number("power law: standard deviation of nu over cells", 0, 10),
    },
    "ErrorTable": {"full_scale": Number("Gmax in the table's unit", 0, 1e12, above=True, optional=True)},
}
