"""Checks of a `CrossbarConfig`: every field alone, then what contradicts what."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ir.errors import UserError
from simulator.analog import field_specs
from simulator.analog.config import CrossbarConfigError, derived_slice_bits
from simulator.analog.config_fields import FIELDS, RECORDS
from simulator.analog.config_records import Drift, ErrorTable, ProgrammingError, ReadNoise
from simulator.analog.field_specs import Number, Spec

if TYPE_CHECKING:
    from simulator.analog.config import CrossbarConfig

# Built-in tables, and the conductance (SONOS: current) up to which they were measured, in uS (nA).
TABLES = {"sonos": 3200.0, "pcm": 25.0, "rram_wan": 39.26, "rram_milo": 225.0}
DRIFT_FIELDS = {
    "sonos": ("days", "full_scale"),
    "power_law": ("time", "reference_time", "exponent", "exponent_spread"),
}
ADC_RANGES = ("max", "granular", "calibrated")


def checked_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with every field of its own type; raises ``CrossbarConfigError`` for the first that cannot be."""
    done = {name: checked(name, values[name], spec) for name, spec in FIELDS.items()}
    done["input_range"] = _pair("input_range", values["input_range"])
    done["weight_max"] = _weight_max(values["weight_max"])
    done["adc_range"] = _adc_range(values["adc_range"])
    done["programming_error"] = _error("programming_error", values["programming_error"], ProgrammingError)
    done["read_noise"] = _error("read_noise", values["read_noise"], ReadNoise)
    done["drift"] = _drift(values["drift"])
    return done


def checked(name: str, value: Any, spec: Spec) -> Any:
    """``value`` as ``spec`` wants it."""
    return field_specs.checked(name, value, spec, CrossbarConfigError)


def _pair(name: str, value: Any) -> tuple[float, float]:
    ok = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    if not ok or not all(
        isinstance(end, numbers.Real) and not isinstance(end, bool) and math.isfinite(end) for end in value
    ):
        raise _bad(name, value, "two finite numbers [lo, hi]")
    low, high = float(value[0]), float(value[1])
    if low >= high:
        raise _bad(name, value, "lo below hi")
    return low, high


def _weight_max(value: Any) -> str | float:
    if value == "max" and isinstance(value, str):
        return "max"
    if isinstance(value, str):
        raise _bad("weight_max", value, '"max" or a percentile above 0 to 100')
    return checked("weight_max", value, Number("", 0, 100, above=True))


def _adc_range(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ADC_RANGES:
            raise _bad("adc_range", value, f"one of {', '.join(ADC_RANGES)}, or [lo, hi]")
        return value
    if not isinstance(value, Sequence) or not value:
        raise _bad("adc_range", value, f"one of {', '.join(ADC_RANGES)}, [lo, hi], or a list of [lo, hi]")
    if isinstance(value[0], numbers.Real):
        return _pair("adc_range", value)
    return tuple(_pair(f"adc_range[{index}]", pair) for index, pair in enumerate(value))


def _error(name: str, value: Any, plain: type[ProgrammingError] | type[ReadNoise]) -> Any:
    """None, a table by name or record, or a plain Gaussian by record."""
    if value is None:
        return None
    if isinstance(value, str):
        value = {"table": value}
    if isinstance(value, (plain, ErrorTable)):
        value = vars(value)
    if not isinstance(value, Mapping):
        raise _bad(name, value, "a table's name or {independent, proportional}")
    if "table" not in value:
        return plain(**_record(name, value, RECORDS["ProgrammingError"]))
    table = value["table"]
    allowed = ("sonos",) if plain is ReadNoise else tuple(TABLES)
    if not isinstance(table, str) or not (table in allowed or table.endswith(".csv")):
        raise _bad(f"{name}.table", table, f"one of {', '.join(allowed)}, or the path of a .csv file")
    if table.endswith(".csv"):
        from simulator.analog.devices import read_csv

        read_csv(table)
    rest = {key: item for key, item in value.items() if key != "table"}
    record = ErrorTable(table, **_record(name, rest, RECORDS["ErrorTable"]))
    if record.full_scale is not None and record.full_scale > TABLES.get(table, math.inf):
        raise _bad(f"{name}.full_scale", record.full_scale, f"at most {TABLES[table]:g}, where {table} was measured")
    return record


def _drift(value: Any) -> Drift | None:
    if value is None:
        return None
    if isinstance(value, Drift):
        value = vars(value)
    if not isinstance(value, Mapping) or "model" not in value:
        raise _bad("drift", value, "a table with model = sonos or power_law")
    drift = Drift(**_record("drift", value, RECORDS["Drift"]))
    defaults = vars(Drift(drift.model))
    for field in DRIFT_FIELDS["power_law" if drift.model == "sonos" else "sonos"]:
        if vars(drift)[field] != defaults[field]:
            held = f"drift.{field} = {vars(drift)[field]}"
            raise CrossbarConfigError(f"{held}: model = {drift.model} has no such field, leave it out")
    return drift


def _record(name: str, value: Mapping[str, Any], specs: Mapping[str, Spec]) -> dict[str, Any]:
    for key in value:
        if key not in specs:
            raise CrossbarConfigError(f"{name}: unknown field {key!r} = {value[key]!r}: use {', '.join(specs)}")
    return {key: checked(f"{name}.{key}", item, specs[key]) for key, item in value.items()}


def _bad(name: str, value: Any, wanted: str) -> UserError:
    return field_specs.bad(name, value, wanted, CrossbarConfigError)


def contradiction(c: CrossbarConfig) -> str | None:
    """The first contradiction between fields, as a line for the user; None where there is none."""
    return _weights(c) or _inputs(c) or _adc(c) or _devices(c)


def _weights(c: CrossbarConfig) -> str | None:
    if c.binary_mapping is not None:
        if c.slices != 1:
            return f"slices = {c.slices}: binary_mapping = {c.binary_mapping} has weights of one bit, use slices = 1"
        if c.cell_bits > 1:
            return f"cell_bits = {c.cell_bits}: binary_mapping = {c.binary_mapping} has cells of one bit, use 0 or 1"
        if c.binary_mapping == "xnor_rows" and c.rows_max == 1:
            return "rows_max = 1: binary_mapping = xnor_rows puts a weight on two rows, use at least 2"
        return None
    if c.slices > 1:
        return _sliced_weights(c)
    needed = (c.weight_bits or 0) - c.differential
    if 0 < c.cell_bits < needed:
        return (
            f"cell_bits = {c.cell_bits}: weight_bits = {c.weight_bits} needs cells of {needed} bits with {c.mapping} "
            "mapping, use more bits or more slices"
        )
    if c.cell_bits == 1 and not c.differential:
        return "cell_bits = 1: offset mapping needs a level for zero between two others, use at least 2 bits"
    return None


def _sliced_weights(c: CrossbarConfig) -> str | None:
    if c.weight_bits is None:
        return f"slices = {c.slices}: weight_bits is needed to slice weights, give it"
    if c.slices > c.weight_bits:
        return f"slices = {c.slices}: more than weight_bits = {c.weight_bits}, use fewer"
    if c.differential and c.differential_style == "two_sided":
        return f"differential_style = two_sided: slices = {c.slices} have digits of one sign, use one_sided"
    derived = derived_slice_bits(c.weight_bits, c.slices, c.differential)
    if c.cell_bits not in (0, derived):
        held = f"{c.slices} slices of {c.weight_bits} bits hold {derived} bits each"
        return f"cell_bits = {c.cell_bits}: {held}, use 0 or {derived}"
    return None


def _inputs(c: CrossbarConfig) -> str | None:
    if c.dac_bits == 1 and c.dac_signed:
        return "dac_bits = 1: a signed DAC of one bit has no magnitude, use dac_signed = false or more bits"
    if c.input_slice_bits and not c.dac_bits:
        return f"input_slice_bits = {c.input_slice_bits}: slices are of the DAC's bits, give dac_bits"
    if c.input_slice_bits > c.magnitude_bits:
        held = f"the DAC has {c.magnitude_bits} bits of magnitude"
        return f"input_slice_bits = {c.input_slice_bits}: {held}, use at most these"
    if c.topology == "separate_source" and c.input_slice_bits != 1:
        return f"topology = separate_source: inputs gate cells, use input_slice_bits = 1, not {c.input_slice_bits}"
    if c.topology == "interleaved" and not (c.differential and c.subtract_in_analog):
        return "topology = interleaved: pairs share a column, use differential mapping and subtract_in_analog = true"
    return None


def _adc(c: CrossbarConfig) -> str | None:
    if not c.adc_bits:
        return None
    if c.adc_bits == 1 and c.adc_sign_magnitude:
        return "adc_bits = 1: sign and magnitude need at least 2 bits"
    if c.adc_range == "granular":
        if c.input_slice_bits and not c.adc_per_input_slice:
            return "adc_range = granular: it is the step of one input slice, use adc_per_input_slice = true"
        if c.slices == 1 and c.weight_bits is None and not c.slice_bits:
            return "adc_range = granular: the step of a cell follows from weight_bits or cell_bits, give one"
    signed = c.differential or (c.dac_signed and c.binary_mapping != "xnor_rows")
    if c.adc_sign_magnitude and c.adc_range in ("max", "granular") and not signed:
        return f"adc_sign_magnitude = true: adc_range = {c.adc_range} begins at 0 with unsigned inputs and an offset"
    if isinstance(c.adc_range, str):
        return None
    ranges = (c.adc_range,) if isinstance(c.adc_range[0], float) else c.adc_range
    if len(ranges) not in (1, c.slices):
        return f"adc_range = {list(map(list, ranges))}: give one [lo, hi] or slices = {c.slices} of them"
    if c.adc_sign_magnitude and any(low != -high for low, high in ranges):
        return f"adc_range = {list(map(list, ranges))}: adc_sign_magnitude needs lo = -hi"
    return None


def _devices(c: CrossbarConfig) -> str | None:
    if c.stuck_on + c.stuck_off > 1:
        return f"stuck_on = {c.stuck_on}: with stuck_off = {c.stuck_off} more than all cells are stuck"
    if c.drift is not None and c.drift.model == "sonos" and c.programming_error is not None:
        return f"programming_error = {c.programming_error}: drift of model sonos contains it, leave it out"
    return None
