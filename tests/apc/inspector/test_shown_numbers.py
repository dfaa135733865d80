"""What the views compute of the summary, against what the run and the comparison say."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import apc
from backends.target import Target
from tests.apc.inspector.browser import show, visit
from tests.apc.inspector.reading import read


def saved(page: Page, caption: str) -> list[dict[str, str]]:
    """The table as its CSV button gives it."""
    with page.expect_download() as download:
        page.get_by_title(f"Save “{caption}” as CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def document(digits: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((digits / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("layer", [None, 1], ids=["network", "layer 1"])
def test_energy_by_class_is_what_the_events_cost(
    layer: int | None, digits: Path, page_of_run: Path, browser: Browser
) -> None:
    """Events times the target's figures; what search lines take is split as the searches are."""
    run = document(digits, "run.json")
    counted = run if layer is None else run["layers"][layer]
    events = counted["by_class"]
    costs = Target.from_table(apc.load(digits / "digits.apc").target).energy
    with visit(browser, page_of_run) as page:
        show(page, "energy", "" if layer is None else f"?item=layer{layer}")
        page.get_by_text("Show the data").last.click()
        rows = {row["name"]: row for row in saved(page, "By instruction class")}
    assert set(rows) == set(events["searches"]) | set(events["writes"]) | set(events["shifted_bits"])
    for name, row in rows.items():
        shifted = events["shifted_bits"].get(name, 0) + events["source_shifted_bits"].get(name, 0)
        assert float(row["write_J"]) == pytest.approx(events["written_bits"].get(name, 0) * costs.write_bit_J)
        assert float(row["shift_J"]) == pytest.approx(shifted * costs.shift_step_J)
        parts = [float(row[f"{part}_J"]) for part in ("search", "write", "shift")]
        assert float(row["total_J"]) == pytest.approx(sum(parts))
    for part in ("search", "write", "shift"):
        total = sum(float(row[f"{part}_J"]) for row in rows.values())
        assert total == pytest.approx(counted["energy_J"][part])


def test_the_biggest_costs(digits: Path, page_of_run: Path, browser: Browser) -> None:
    layers = read(page_of_run.read_text(encoding="utf-8")).summary()["layers"]
    run = document(digits, "run.json")
    cycles = sum(layer["cycles"] for layer in layers)
    slowest = max(layers, key=lambda layer: layer["cycles"])
    joules, part, hottest = max(
        (value, part, layer["name"])
        for layer in run["layers"]
        for part, value in layer["energy_J"].items()
        if part != "total"
    )
    classes: dict[str, int] = {}
    for layer in layers:
        for name, count in layer["cycles_by_class"].items():
            classes[name] = classes.get(name, 0) + count
    most = max(classes, key=lambda name: classes[name])
    with visit(browser, page_of_run) as page:
        said = [text.replace("\u202f", " ") for text in page.locator("ol.biggest li").all_inner_texts()]
    total = run["energy_J"]["total"]
    dearest = max(run["layers"], key=lambda layer: layer["energy_J"]["total"])
    expected = [
        (slowest["cycles"] / cycles, f"of the cycles: all of {slowest['name']}"),
        (dearest["energy_J"]["total"] / total, f"of the energy: all of {dearest['name']}"),
        (joules / total, f"of the energy: {part} of {hottest}"),
        (classes[most] / cycles, f"of the cycles: {most} instructions, see all classes"),
    ]
    expected.sort(reverse=True)
    assert said == [f"{share:.1%}".replace("%", " %") + f" {what}" for share, what in expected]


def test_the_comparison_is_that_of_the_json(digits: Path, page_of_run: Path, browser: Browser) -> None:
    compared = document(digits, "compare.json")
    energies = {backend["name"]: backend["energy_J"]["total"] for backend in compared["backends"]}
    own, array = energies[compared["reference"]], energies["crossbar-isaac"]
    with visit(browser, page_of_run) as page:
        show(page, "comparison")
        rows = saved(page, "Backends")
        verdict = page.locator("header .verdict strong").all_inner_texts()
        pair = next(pair for pair in compared["break_even"]["pairs"] if pair["ap"] == compared["reference"])
        ties = saved(page, "Break-even, one figure at a time")
    for row, backend in zip(rows, compared["backends"], strict=True):
        for key in ("ratio_to_ap", "latency_s", "area_m2", "energy_delay_Js", "energy_per_mac_J", "tops_per_W"):
            assert float(row[key]) == backend[key]
        assert float(row["energy_J"]) == backend["energy_J"]["total"]
        assert int(row["assumed_figures"]) == sum(figure["assumed"] for figure in backend["figures"])
    winner_first = (
        [compared["reference"], "crossbar-isaac"] if own <= array else ["crossbar-isaac", compared["reference"]]
    )
    assert verdict == winner_first
    for row, figure in zip(ties, pair["figures"], strict=True):
        assert row["key"] == figure["key"] and float(row["ratio_at_zero"]) == figure["ratio_at_zero"]
        assert row["tie_value"] == "" if figure["tie_value"] is None else float(row["tie_value"]) == figure["tie_value"]


def test_sources_survive_the_file(page_of_run: Path, browser: Browser) -> None:
    """They have commas, quotes and brackets."""
    figures = read(page_of_run.read_text(encoding="utf-8")).summary()["figures"]
    with visit(browser, page_of_run) as page:
        show(page, "figures", "?item=all")
        rows = saved(page, "All targets")
    assert [row["source"] for row in rows] == [figure["source"] for figure in figures]
    assert any('"' in row["source"] or "," in row["source"] for row in rows)


def test_phases_fill_their_layer(page_of_run: Path, browser: Browser) -> None:
    layer = read(page_of_run.read_text(encoding="utf-8")).summary()["layers"][5]
    with visit(browser, page_of_run) as page:
        show(page, "timeline")
        page.get_by_role("button", name=re.compile(f"^{re.escape(layer['name'])}")).click()
        page.get_by_role("heading", name=f"Inside {layer['name']}").wait_for()
        rows = saved(page, "Phases of tile 0, the longest of the first wave")
        starts = dict(layer["tiles"][0]["phases"])
        page.get_by_role("link", name=f"0x{starts['requantise']:04x}").click()
        page.wait_for_selector("main.view-microcode")
        assert f"address={starts['requantise']:#x}" in page.url
    assert layer["waves"] == 1 and sum(int(row["cycles"]) for row in rows) == layer["cycles"]
    begins = {row["name"]: int(row["first_instruction"]) for row in rows if row["first_instruction"]}
    assert begins == {name: starts[name] for name in begins} and {"sum 0", "requantise"} <= set(begins)


def test_tables_sort_and_filter(page_of_run: Path, browser: Browser) -> None:
    layers = read(page_of_run.read_text(encoding="utf-8")).summary()["layers"]
    ranked = [layer["name"] for layer in sorted(layers, key=lambda layer: -layer["cycles"])]
    names = [layer["name"] for layer in layers]
    with visit(browser, page_of_run) as page:
        heads = page.get_by_role("table", name="Layers").get_by_role("rowheader")
        cycles = page.get_by_role("columnheader", name="cycles")
        for expected, order in ((ranked, "descending"), (ranked[::-1], "ascending"), (names, None)):
            cycles.get_by_role("button").click()
            assert heads.all_inner_texts() == expected
            assert cycles.get_attribute("aria-sort") == order
        page.get_by_role("searchbox", name="Filter").fill("DOWNsample")
        expect(heads).to_have_count(1)
        assert [row["name"] for row in saved(page, "Layers")] == [name for name in names if "downsample" in name]


def test_arrow_keys_follow_the_edges_of_the_graph(page_of_run: Path, browser: Browser) -> None:
    facts = read(page_of_run.read_text(encoding="utf-8")).summary()
    edges = [(edge["source"], edge["target"]) for edge in facts["graph"]["edges"]]
    with visit(browser, page_of_run) as page:
        show(page, "graph")
        page.locator("[data-node][tabindex='0']").focus()
        here = page.evaluate("document.activeElement.dataset.node")
        for _ in range(4):
            page.keyboard.press("ArrowDown")
            there = page.evaluate("document.activeElement.dataset.node")
            assert (here, there) in edges
            here = there
        page.keyboard.press("ArrowUp")
        back = page.evaluate("document.activeElement.dataset.node")
        assert (back, here) in edges
        page.keyboard.press("Enter")
        node = next(node for node in facts["graph"]["nodes"] if node["id"] == back)
        expect(page.get_by_role("complementary")).to_contain_text(node["name"])
        assert f"item={back}" in page.url
        transform = page.locator(".graph-canvas svg > g").get_attribute("transform")
        page.keyboard.press("+")
        assert page.locator(".graph-canvas svg > g").get_attribute("transform") != transform
