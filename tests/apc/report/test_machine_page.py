"""docs/machine.md is current, and its example adds up: by what the page itself says, and by what runs count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from apc.driver import run_model
from apc.report.machine_page import Example, renewed
from apc.report.run import run_report

PAGE = (Path(__file__).parent.parent.parent.parent / "docs" / "machine.md").read_text(encoding="utf-8")

READ_OUT = r"c\d+\.d\d+:(\d+)`: a search and a transfer a bit"


@pytest.fixture(scope="module")
def example() -> Example:
    return Example(PAGE)


def rows(name: str) -> list[list[str]]:
    """The cells of a table of the page, without emphasis and code marks."""
    text = PAGE.split(f"<!-- {name} -->\n")[1].split("<!-- /")[0]
    return [[cell.strip(" *`") for cell in line[1:-1].split("|")] for line in text.splitlines()[2:]]


@dataclass
class ListedTile:
    """(text, cycles) of the micro-operations of a tile, and what the page says the cycles sum to."""

    name: str
    operations: list[tuple[str, int]]
    total: int


def listed_tiles() -> list[ListedTile]:
    tiles, operations = [], []
    for place, text, _, cycles in rows("micro-operations"):
        if text == "together":
            tiles.append(ListedTile(place, operations, int(cycles)))
            operations = []
        else:
            operations.append((text, int(cycles)))
    return tiles


def test_the_page_is_current() -> None:
    assert renewed(PAGE) == PAGE, "python -m apc.report.machine_page docs/machine.md"


def test_micro_operations_cost_what_the_page_says_and_add_up() -> None:
    step, search, write, transfer = (int(line[1].split()[-1]) for line in rows("cycles"))
    for tile in listed_tiles():
        for text, cycles in tile.operations:
            if match := re.fullmatch(r"SHIFT c\d+ ([+-]\d+)", text):
                assert cycles == abs(int(match[1])) * step
            elif match := re.fullmatch(READ_OUT, text):
                assert cycles == int(match[1]) * (search + transfer)
            elif text.endswith("to its last bit and back"):
                assert cycles % (2 * step) == 0
            else:
                kind = text.split()[0]
                assert cycles == {"SEARCH": search, "SEARCH-OR": search, "WRITE": write, "RECEIVE": transfer}[kind]
        assert sum(cycles for _, cycles in tile.operations) == tile.total


def test_tiles_make_waves_and_waves_the_network(example: Example) -> None:
    tiles = {tile.name: tile.total for tile in listed_tiles()}
    *waves, network = rows("waves")
    for layer, _, longest, _, cycles in waves:
        assert tiles[f"layer {layer.split()[0]} tile {longest}"] == int(cycles)
    assert sum(int(wave[-1]) for wave in waves) == int(network[-1])
    assert [wave[1] for wave in waves if wave[0].startswith("1")] == ["0", "1"]
    for engine in ("fast", "reference"):
        result = run_model(example.program, {"x": example.image}, engine=engine)  # type: ignore[arg-type]
        assert run_report(example.program, result, engine)["cycles"] == int(network[-1])


def test_events_times_prices_are_the_energy(example: Example) -> None:
    *priced, network = rows("energy")
    total = sum(float(line[-1]) for line in priced)
    assert total == pytest.approx(float(network[-1]), rel=1e-3)
    assert float(network[-1]) == pytest.approx(example.run.cost.energy_J()["total"], rel=1e-3)
    for line in priced:
        count, price, joules = line[2], float(line[3].split()[-1]), float(line[4])
        events = float(count.split()[-1]) if "cycles" not in count else cycles_of_arrays(count) * 1e-9
        assert events * price == pytest.approx(joules, rel=1e-3)
        if match := re.fullmatch(r"(\d+) x (\d+) = (\d+)", count):
            assert int(match[1]) * int(match[2]) == int(match[3])


def cycles_of_arrays(text: str) -> int:
    arrays, cycles = re.findall(r"\d+", text)
    return int(arrays) * int(cycles)


@pytest.mark.parametrize("layer", ["0", "1"])
def test_rows_searched_and_shifted_are_those_of_the_listed_micro_operations(layer: str) -> None:
    listed = [item for tile in listed_tiles() if tile.name.startswith(f"layer {layer}") for item in tile.operations]
    step = int(rows("cycles")[0][1])
    searches = sum(text.startswith("SEARCH") for text, _ in listed)
    searches += sum(int(match[1]) for text, _ in listed if (match := re.fullmatch(READ_OUT, text)))
    steps = sum(cycles // step for text, cycles in listed if text.startswith("SHIFT"))
    of_layer = {line[1]: line[2] for line in rows("energy") if line[0].startswith(layer)}
    assert of_layer["rows searched"].startswith(f"{searches} x 64 =")
    assert of_layer["nanowires shifted by a step"].startswith(f"{steps} x 64 =")


def test_bits_written_by_hand() -> None:
    (match,) = re.findall(r"((?:\d+ \+ )+\d+) = (\d+)", PAGE)
    (counted,) = (line[2] for line in rows("energy") if line[0].startswith("1") and line[1] == "bits written")
    assert sum(int(part) for part in match[0].split(" + ")) == int(match[1]) == int(counted)


def test_the_example_computes_what_it_says(example: Example) -> None:
    pixels = example.image[0, 0].astype(np.int64)
    output = example.run.outputs["y"][0]
    np.testing.assert_array_equal(output[0], pixels + 1)
    np.testing.assert_array_equal(output[1], np.pad(pixels, ((0, 0), (1, 0)))[:, :-1])
