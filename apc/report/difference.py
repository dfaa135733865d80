"""What differs between two programs, layer by layer, as data (`apc diff`; ``difference_text`` prints it)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from apc.accounting import Accounts, LayerStatics
from apc.options import Progress, silent
from ir.disassembler import instruction_lines
from ir.isa import GATHERING, R_ACROSS, R_FRESH, RECORD, SUMMING, Op, gather_index
from ir.operand_text import PAIRS, SINGLES
from ir.program import GATHER, LayerProgram, Program, Tile

MEASURES = (
    "instructions",
    "adds",
    "search_passes",
    "written_bits_estimate",
    "shift_steps",
    "cycles",
    "energy_estimate_J",
)
"""What is compared of every layer and of the whole, for one image; names as in `apc compile --json`."""
DECIDING_SHARE = 0.8
"""The layers that decide are the fewest whose differences of energy make up so much of all differences."""


_NO_TILE = Tile(np.zeros(0, RECORD), np.zeros(0, np.int64), np.zeros(0, GATHER))


@dataclass(frozen=True, eq=False)
class _Side:
    """One layer of one of the programs."""

    layer: LayerProgram
    measures: dict[str, float]
    facts: dict[str, str | int]


def difference(a: Program, b: Program, progress: Progress = silent) -> dict[str, Any]:
    """The payload of `apc diff --json` (docs/json.md) but for the files' names."""
    sides = []
    for number, program in enumerate((a, b)):
        progress(number, 2, "pricing")
        sides.append(_sides(program))
    rows = [_row(name, side_a, side_b) for name, side_a, side_b in _matched(*sides)]
    _mark_deciding(rows)
    totals = {key: _pair(*(sum(side.measures[key] for side in of.values()) for of in sides)) for key in MEASURES}
    facts = [_facts(program) for program in (a, b)]
    target = _changes(*(_flat(program.target) for program in (a, b)))
    compiled = _changes(*facts)
    same = not compiled and not target and _same_tensors(a, b) and all(row["same"] for row in rows)
    return {"identical": same, "program": compiled, "target": target, "totals": totals, "layers": rows}


def _facts(program: Program) -> dict[str, Any]:
    return {
        "name": program.name,
        "model_sha256": program.model_sha256,
        "level": program.level,
        "passes": list(program.passes),
        "encoding": program.encoding,
        "target": program.target["name"],
    }


def _same_tensors(a: Program, b: Program) -> bool:
    """Do the layers exchange the same tensors in the same places?"""
    return len(a.tensors) == len(b.tensors) and all(
        (x.name, x.shape, x.producer) == (y.name, y.shape, y.producer) and np.array_equal(x.fields, y.fields)
        for x, y in zip(a.tensors, b.tensors, strict=True)
    )


def _flat(target: Mapping[str, Any]) -> dict[str, Any]:
    """section.key -> figure; where the figures come from is left out."""
    return {
        f"{section}.{key}": value
        for section, entries in target.items()
        if isinstance(entries, Mapping) and section != "sources"
        for key, value in entries.items()
    }


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = [*a, *(key for key in b if key not in a)]
    return [{"key": key, "a": a.get(key), "b": b.get(key)} for key in keys if a.get(key) != b.get(key)]


def _sides(program: Program) -> dict[str, _Side]:
    """By the layers' names; a name that returns gets a number."""
    accounts = Accounts(program)
    estimate = accounts.cost(1)
    seen: Counter[str] = Counter()
    sides = {}
    for layer, statics, cost in zip(program.layers, accounts.layers(), estimate.layers, strict=True):
        seen[layer.name] += 1
        name = layer.name if seen[layer.name] == 1 else f"{layer.name} ({seen[layer.name]})"
        measures = {
            "instructions": statics.instructions,
            "adds": layer.statistics.get("adds", 0),
            "search_passes": statics.search_passes,
            "written_bits_estimate": cost.counters["written_bits"],
            "shift_steps": statics.shift_steps,
            "cycles": statics.cycles,
            "energy_estimate_J": sum(cost.energy_J.values()),
        }
        sides[name] = _Side(layer, measures, _layer_facts(program, layer, statics))
    return sides


def _layer_facts(program: Program, layer: LayerProgram, statics: LayerStatics) -> dict[str, str | int]:
    """How the layer is laid out, in words and numbers."""
    return {
        "op": layer.op,
        "shape": "x".join(map(str, program.tensors[layer.output].shape)),
        **_way_of_summing(layer),
        "tiles": statics.tiles,
        "arrays": statics.arrays,
        "columns": statics.columns,
        "groups": layer.statistics.get("groups", 0),
        "encoded_bits": statics.encoded_bits,
        "resident_bits": statics.resident_bits,
    }


def _way_of_summing(layer: LayerProgram) -> dict[str, str]:
    """Where the operands of most sums lie, and how negative ones are held; empty where nothing is summed."""
    codes = [tile.instructions[np.isin(tile.instructions["op"], SUMMING)] for tile in layer.tiles]
    flags = np.concatenate([np.zeros(0, np.uint8), *(code["flags"] for code in codes)])
    if not len(flags):
        return {"sums": "", "negatives": ""}
    across = 2 * int(((flags & R_ACROSS) != 0).sum()) > len(flags)
    broadcast = any(bool((code["op"] == Op.MAC).any()) for code in codes)
    offset = bool(((flags & R_FRESH) != 0).any())
    return {
        "sums": "weights in the rows" if broadcast else "across columns" if across else "along wires",
        "negatives": "with an offset" if offset else "two's complement",
    }


def _matched(a: dict[str, _Side], b: dict[str, _Side]) -> Iterator[tuple[str, _Side | None, _Side | None]]:
    """Layers by name: those of ``a`` in order, each that only ``b`` has after the one it follows there."""
    names = list(a)
    previous = -1
    for name in b:
        if name in a:
            previous = names.index(name)
        else:
            previous += 1
            names.insert(previous, name)
    for name in names:
        yield name, a.get(name), b.get(name)


def _row(name: str, a: _Side | None, b: _Side | None) -> dict[str, Any]:
    known = [side for side in (a, b) if side is not None]
    facts = _changes(a.facts, b.facts) if a is not None and b is not None else []
    return {
        "name": name,
        "op": known[0].facts["op"],
        "only": None if len(known) == 2 else "b" if a is None else "a",
        "same": a is not None and b is not None and not facts and _same_code(a.layer, b.layer),
        "decides": False,
        "changed": facts,
        "first_difference": None if a is None or b is None else _first_difference(a.layer, b.layer),
        **{key: _pair(*(None if side is None else side.measures[key] for side in (a, b))) for key in MEASURES},
    }


def _pair(a: float | None, b: float | None) -> dict[str, float | None]:
    return {"a": a, "b": b, "ratio": b / a if a and b is not None else None}


def _same_code(a: LayerProgram, b: LayerProgram) -> bool:
    """Do both layers run the same instructions on the same tables?"""
    tables = (lambda t: t.instructions, lambda t: t.constants, lambda t: t.gathers)
    own = ("row_maps", "resident_fields", "resident_values")
    return (
        len(a.tiles) == len(b.tiles)
        and all(np.array_equal(vars(a)[name], vars(b)[name]) for name in own)
        and all(np.array_equal(table(x), table(y)) for x, y in zip(a.tiles, b.tiles, strict=True) for table in tables)
    )


def _first_difference(a: LayerProgram, b: LayerProgram) -> dict[str, Any] | None:
    """The first instruction that is not the same in both: its tile, address, and assembly in each (None: the tile ends
    before it, or the layer has no such tile); None where there is none."""
    for number in range(max(len(a.tiles), len(b.tiles))):
        tiles = [layer.tiles[number] if number < len(layer.tiles) else _NO_TILE for layer in (a, b)]
        address = _first_other(*tiles)
        if address is not None:
            texts = [next(instruction_lines(tile, address, address + 1), None) for tile in tiles]
            lines = [None if text is None else text.split(maxsplit=1)[1] for text in texts]
            return {"tile": number, "address": address, "a": lines[0], "b": lines[1]}
    return None


def _first_other(a: Tile, b: Tile) -> int | None:
    """The first address at which two tiles have other instructions, or only one has any."""
    common = min(len(a.instructions), len(b.instructions))
    (records_a, used_a), (records_b, used_b) = (_resolved(tile, common) for tile in (a, b))
    other = np.flatnonzero((records_a != records_b) | (used_a != used_b).any(axis=1))
    if len(other):
        return int(other[0])
    return common if len(a.instructions) != len(b.instructions) else None


def _resolved(tile: Tile, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The first ``stop`` records without their places in the tables, and what stands there, int64[stop, 4]."""
    records = tile.instructions[:stop].copy()
    gathering, first = np.isin(records["op"], GATHERING), records["imm"].astype(np.int64)
    gathered = tile.gathers[gather_index(records[gathering])]
    names = gathered.dtype.names or ()
    used = np.zeros((stop, len(names)), np.int64)
    for column, name in enumerate(names):
        used[gathering, column] = gathered[name]
    for column, ops in enumerate(((*SINGLES, *PAIRS), PAIRS)):
        taking = np.isin(records["op"], ops)
        used[taking, column] = tile.constants[first[taking] + column]
    records["imm"] = 0
    records["a_column"][records["op"] == Op.GATHER] = 0
    records["b_column"][records["op"] == Op.MAC] = 0
    return records, used


def _mark_deciding(rows: list[dict[str, Any]]) -> None:
    def change(row: dict[str, Any]) -> float:
        energy = row["energy_estimate_J"]
        return abs((energy["b"] or 0.0) - (energy["a"] or 0.0))

    total, summed = sum(map(change, rows)), 0.0
    for row in sorted(rows, key=change, reverse=True):
        if summed >= DECIDING_SHARE * total:
            break
        row["decides"] = True
        summed += change(row)
