"""What a report says: the same as the program, its run, and the commands that print such figures."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

import apc
from apc.accounting import Accounts
from apc.inspector.page import Bundle, page
from apc.inspector.payload import chunks, summary
from apc.inspector.sources import Sources, read_sources
from backends.target import Target, load_target
from ir.counts import searched_fields
from ir.expand import Receive, Search, SearchOr, Write, expand, signature
from ir.isa import GATHERING, Op
from ir.program import FIELD, Program
from tests.apc.inspector.reading import Page, read, tile_tables
from tests.programs import programs

LETTERS = "abr"


def written(sources: Sources) -> Page:
    accounts = Accounts(sources.program)
    return read(page(Bundle("", "", ""), "a page", chunks(summary(sources, accounts), accounts)))


@pytest.fixture(scope="module")
def program(digits: Path) -> Program:
    return apc.load(digits / "digits.apc")


@pytest.fixture(scope="module")
def of_run(digits: Path) -> Page:
    return written(read_sources([digits / "run.json", digits / "compare.json"]))


@pytest.fixture(scope="module")
def of_program(digits: Path) -> Page:
    return written(read_sources([digits / "digits.apc"]))


def holds_the_program(page: Page, program: Program) -> None:
    facts, parts = page.summary(), page.chunks()
    assert [layer["name"] for layer in facts["layers"]] == [layer.name for layer in program.layers]
    for index, layer in enumerate(program.layers):
        assert len(facts["layers"][index]["tiles"]) == len(layer.tiles)
        for number, tile in enumerate(layer.tiles):
            tables = tile_tables(parts.pop(f"tile-{index}-{number}"), facts["layers"][index]["tiles"][number])
            np.testing.assert_array_equal(tables.instructions, tile.instructions)
            np.testing.assert_array_equal(tables.constants, tile.constants)
            np.testing.assert_array_equal(tables.gathers, tile.gathers)
            gathering = np.isin(tile.instructions["op"], GATHERING)
            assert len(tables.source_steps) == gathering.sum()
    fields = np.frombuffer(parts.pop("fields"), FIELD)
    np.testing.assert_array_equal(fields, np.concatenate([tensor.fields for tensor in program.tensors]))
    assert sorted(parts) == ["signatures", "summary"]


def test_every_instruction_and_table_is_there(of_program: Page, program: Program) -> None:
    holds_the_program(of_program, program)


@hypothesis.given(programs())
@hypothesis.settings(max_examples=20)
def test_any_program(program: Program) -> None:
    found = written(Sources(Path("p.apc"), program, None, None))
    holds_the_program(found, program)
    expansions_are_those_of_expand(found, program)


def expansions_are_those_of_expand(page: Page, program: Program) -> None:
    """Every instruction finds its signature in the book, whose tables and cells give the micro-operations that
    ``ir.expand`` gives."""
    book = json.loads(page.chunks()["signatures"])
    entries = {tuple(entry["key"]): entry for entry in book["signatures"]}
    assert len(entries) == len(book["signatures"])
    search_or = bool(program.target["features"]["search_or"])
    used = set()
    for record, tile in distinct_records(program):
        sig = signature(record, tile.constants)
        flags = int(record["flags"]) & (1 | 2 | 64)
        key = (sig.op, flags, sig.a_width, sig.b_width, sig.r_width, *sig.constants)
        used.add(key)
        ops = expand(sig, search_or)
        assert spelled_out(entries[key], book["tables"]) == tuple(shown(op) for op in ops)
        assert entries[key]["writes"] == sum(isinstance(op, Write) for op in ops)
        assert entries[key]["searches"] == sum(isinstance(op, Search | SearchOr) for op in ops)
        for letter, path in zip(LETTERS, entries[key]["path"], strict=True):
            check_path([bit for name, bit in touched(ops) if name == letter], path)
    assert used == set(entries)


def distinct_records(program: Program) -> Any:
    for layer in program.layers:
        for tile in layer.tiles:
            for record in np.unique(tile.instructions):
                yield record, tile


def spelled_out(entry: dict[str, Any], tables: list[Any]) -> tuple[Any, ...]:
    ops: list[Any] = []
    for number, received, broadcast, cells in entry["steps"]:
        where = {word[0]: (word[0], int(word[1:])) for word in cells.split()}
        ops += [("receive", received)] if received >= 0 else []
        ops += [("broadcast", broadcast)] if broadcast >= 0 else []
        for item in tables[number]["passes"]:
            for count, search in enumerate(item["searches"]):
                ops.append(("or" if count else "search", tuple((where[name], bit) for name, bit in search)))
            ops.append(("write", tuple((where[name], bit) for name, bit in item["writes"])))
    return tuple(ops)


def shown(op: Any) -> tuple[str, Any]:
    match op:
        case Search(key):
            return "search", key
        case SearchOr(key):
            return "or", key
        case Write(values):
            return "write", values
        case _:
            return "receive" if isinstance(op, Receive) else "broadcast", op.bit


def touched(ops: Any) -> list[tuple[str, int]]:
    """Cells in the order in which they come to their ports."""
    cells = []
    for op in ops:
        pairs = op.key if isinstance(op, Search | SearchOr) else op.values if isinstance(op, Write) else ()
        cells += [cell for cell, _ in pairs]
    return cells


def check_path(bits: list[int], path: list[int]) -> None:
    mask, first, last, inner = path
    assert mask == sum({1 << bit for bit in bits})
    if bits:
        assert (first, last) == (bits[0], bits[-1])
        assert inner == sum(abs(after - before) for before, after in itertools.pairwise(bits))


def test_expansions(of_program: Page, program: Program) -> None:
    expansions_are_those_of_expand(of_program, program)


def test_counts_are_those_of_the_run(of_run: Page, digits: Path) -> None:
    run = json.loads((digits / "run.json").read_text(encoding="utf-8"))
    for layer, counted in zip(of_run.summary()["layers"], run["layers"], strict=True):
        counters, tiles = counted["counters"], layer["tiles"]
        assert layer["counters"] == counters and layer["energy_J"] == counted["energy_J"]
        assert layer["instructions"] == counters["instructions"] == sum(tile["instructions"] for tile in tiles)
        for key in ("search_passes", "write_passes", "source_search_passes"):
            assert sum(tile["totals"][key] for tile in tiles) == counters[key]
        rewound = sum(tile["rewind_steps"] for tile in tiles)
        assert sum(tile["totals"]["shift_steps"] for tile in tiles) + rewound == counters["shift_steps"]
    wear = [layer["wear"] for layer in of_run.summary()["layers"]]
    assert wear == run["wear"]["layers"] and of_run.summary()["energy"]["images"] == 8


def test_source_passes_of_every_gather(of_program: Page, program: Program) -> None:
    facts, parts = of_program.summary(), of_program.chunks()
    for index, layer in enumerate(program.layers):
        for number, tile in enumerate(layer.tiles):
            tile_facts = facts["layers"][index]["tiles"][number]
            tables = tile_tables(parts[f"tile-{index}-{number}"], tile_facts)
            chosen = np.isin(tile.instructions["op"], GATHERING)
            records = tile.instructions[chosen]
            high = np.where(records["op"] == Op.MAC, records["b_column"], records["a_column"]).astype(np.int64)
            source = searched_fields(tile, program.tensors)[records["imm"] + (high << 16)]
            received = np.where(records["op"] == Op.MAC, records["b_width"], records["r_width"])
            np.testing.assert_array_equal(tables.source_searches, np.minimum(received, source["width"]))
            assert int(tables.source_steps.sum()) == tile_facts["totals"]["source_shift_steps"]


def test_without_a_run_energies_are_the_compilers(of_program: Page, program: Program) -> None:
    facts = of_program.summary()
    estimate = Accounts(program).cost(1)
    assert facts["energy"]["estimate"] and facts["energy"]["images"] == 1 and facts["run"] is None
    assert facts["energy"]["total_J"] == estimate.energy_J()["total"]
    for key in [*facts["energy"]["components"], "total"]:
        assert sum(layer["energy_J"][key] for layer in facts["layers"]) == estimate.energy_J()[key]
    assert all(layer["counters"] is None and layer["wear"] is None for layer in facts["layers"])


def test_the_timeline_has_no_gap(of_program: Page) -> None:
    facts, clock = of_program.summary(), 0
    for layer, entry in zip(facts["layers"], facts["timeline"], strict=True):
        assert entry["start_cycle"] == layer["start_cycle"] == clock
        assert entry["cycles"] == layer["cycles"] == sum(layer["cycles_by_class"].values())
        at = clock
        for wave in entry["waves"]:
            assert wave["start_cycle"] == at
            at += wave["cycles"]
        assert at == clock + layer["cycles"]
        at = clock
        for phase in entry["phases"]:
            assert phase["start_cycle"] == at
            at += phase["cycles"]
        assert at == clock + entry["waves"][0]["cycles"]
        clock += entry["cycles"]


def test_cycles_of_a_tile(of_program: Page, program: Program) -> None:
    """By docs/machine.md, of the totals that the simulator counts."""
    timing = load_target("rtm-ap-published").timing
    rows = int(program.target["array"]["rows"])
    for layer, facts in zip(program.layers, of_program.summary()["layers"], strict=True):
        for tile, tile_facts in zip(layer.tiles, facts["tiles"], strict=True):
            totals, records = tile_facts["totals"], tile.instructions
            searches = totals["search_passes"] + totals["source_search_passes"]
            steps = totals["shift_steps"] + totals["source_shift_steps"]
            transfers = int(records["r_width"][records["op"] == Op.GATHER].sum(dtype=int))
            broadcast = int(records["b_width"][records["op"] == Op.MAC].sum(dtype=int))
            assert totals["cycles"] == (
                searches * timing.search_cycles
                + totals["write_passes"] * timing.write_cycles
                + steps * timing.shift_cycles
                + transfers * -(-rows // timing.transfer_bits_per_cycle)
                + broadcast
            )


def test_resident_fields_and_their_values(of_program: Page, program: Program) -> None:
    layer, facts = program.layers[-1], of_program.summary()["layers"][-1]
    listed = facts["tiles"][0]["resident"]
    assert len(listed) == len(layer.resident_fields) > 0
    for entry, place, values in zip(listed, layer.resident_fields, layer.resident_values, strict=True):
        names = ("column", "domain", "width", "signed", "across")
        assert entry == [*(int(place[name]) for name in names), min(values.tolist()), max(values.tolist())]


def test_facts_of_the_layers(of_program: Page, program: Program) -> None:
    facts = of_program.summary()
    rows = int(program.target["array"]["rows"])
    for layer, entry in zip(program.layers, facts["layers"], strict=True):
        shape = program.tensors[layer.output].shape
        assert entry["shape"] == list(shape) and entry["positions"] == shape[1] * shape[2]
        assert entry["row_tiles"] == -(-entry["positions"] // rows)
        used = {int(tensor) for tile in layer.tiles for tensor in tile.gathers["tensor"]}
        assert set(entry["sources"]) == used
        gathers = [edge for edge in facts["graph"]["edges"] if edge["target"] == f"layer{entry['index']}"]
        assert {edge["source"] for edge in gathers} == {f"t{number}" for number in used}
        assert sum(edge["gathers"] for edge in gathers) == sum(len(tile.gathers) for tile in layer.tiles)
    assert [tensor["name"] for tensor in facts["tensors"]] == [tensor.name for tensor in program.tensors]
    assert facts["tensors"][0]["input"] == program.inputs[0].name


def test_every_figure_of_every_backend_is_there_once(of_run: Page, digits: Path) -> None:
    comparison = json.loads((digits / "compare.json").read_text(encoding="utf-8"))
    facts = of_run.summary()
    keys = [(figure["backend"], figure["key"]) for figure in facts["figures"]]
    assert len(keys) == len(set(keys))
    wanted = {(item["name"], figure["key"]) for item in comparison["backends"] for figure in item["figures"]}
    own = {("rtm-ap-published", figure.key) for figure in load_target("rtm-ap-published").figures()}
    assert set(keys) == wanted | own and all(figure["source"] for figure in facts["figures"])
    backends = [{key: value for key, value in item.items() if key != "figures"} for item in comparison["backends"]]
    assert facts["comparison"] == {**comparison, "backends": backends}


def test_the_target_says_what_moving_a_bit_takes(of_program: Page, program: Program) -> None:
    target = Target.from_table(program.target)
    timing = of_program.summary()["target"]["timing"]
    assert timing["transfer_cycles_per_gathered_bit"] == -(-target.array.rows // target.timing.transfer_bits_per_cycle)
    assert timing["broadcast_cycles"] == 1 and timing["cycle_s"] == target.timing.cycle_s
