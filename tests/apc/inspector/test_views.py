"""The page in Chromium: every view, by mouse and by keyboard, light and dark."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import apc
from ir.isa import Op
from tests.apc.inspector.browser import VIEWS, show, visit
from tests.apc.inspector.reading import read

ROOT = Path(__file__).parent.parent.parent.parent
SCREENSHOTS = ROOT / ".cache" / "screenshots"
AXE = ROOT / "apc" / "inspector" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PROBLEMS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter(({impact}) => impact === "serious" || impact === "critical")
    .map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map(({html}) => html.slice(0, 160)).join(" | ")}`)"""


def facts_of(path: Path) -> dict[str, Any]:
    return read(path.read_text(encoding="utf-8")).summary()


def settle(page: Page, view: str) -> None:
    """Until what is opened late is there."""
    if view == "microcode":
        page.get_by_role("grid").wait_for()
    page.wait_for_timeout(150)


def goes_to(page: Page, address: int) -> None:
    """The page's address names this instruction (it lags a little behind)."""
    page.wait_for_function("wanted => location.hash.endsWith(wanted)", arg=f"address={address:#x}")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view(dark: bool, page_of_run: Path, browser: Browser) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with visit(browser, page_of_run, dark=dark) as page:
        for view in VIEWS:
            page.get_by_role("navigation", name="Views").get_by_role("link", name=view.capitalize(), exact=True).click()
            expect(page.locator(f"main.view-{view}").get_by_role("heading", level=1)).to_be_visible()
            settle(page, view)
            page.screenshot(path=SCREENSHOTS / f"digits-{view}-{'dark' if dark else 'light'}.png")
            expect(page.get_by_text("could not be shown")).to_have_count(0)


@pytest.mark.skipif(not AXE.exists(), reason=f"{AXE} is missing: make bundle")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_violation_of_accessibility(dark: bool, page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_run, dark=dark) as page:
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = {}
        for view in VIEWS:
            show(page, view, "?layer=1&address=0x200" if view == "microcode" else "")
            settle(page, view)
            found[view] = page.evaluate(PROBLEMS)
        assert found == {view: [] for view in VIEWS}


def test_screenshots_of_resnet18(narrow: Path, browser: Browser) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        with visit(browser, narrow / "narrow.html", dark=dark) as page:
            for view in VIEWS:
                show(page, view)
                settle(page, view)
                page.screenshot(path=SCREENSHOTS / f"resnet18-narrow-{view}-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize("width", [360, 3840])
def test_nothing_sticks_out(width: int, page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_run, width=width, height=800) as page:
        for view in VIEWS:
            show(page, view)
            settle(page, view)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, view


def test_a_layer_leads_to_its_microcode(page_of_run: Path, browser: Browser) -> None:
    name = facts_of(page_of_run)["layers"][4]["name"]
    with visit(browser, page_of_run) as page:
        page.locator("table").get_by_role("link", name=name).first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        assert "layer=4" in page.url


def test_a_node_of_the_graph_shows_its_facts(page_of_run: Path, browser: Browser) -> None:
    layer = facts_of(page_of_run)["layers"][2]
    with visit(browser, page_of_run) as page:
        show(page, "graph")
        node = page.get_by_role("button", name=re.compile(rf"^{re.escape(layer['name'])} .*layer: "))
        node.click()
        facts = page.locator("main").get_by_role("complementary")
        expect(facts).to_contain_text(layer["name"])
        expect(facts).to_contain_text(f"{layer['instructions']:,}")
        facts.get_by_role("link", name=re.compile("microcode", re.IGNORECASE)).first.click()
        expect(page.locator("main.view-microcode")).to_be_visible()
        assert "layer=2" in page.url


def grid(page: Page) -> Locator:
    return page.get_by_role("grid")


def selected(page: Page) -> Locator:
    return grid(page).locator("[role=row][aria-selected=true]")


def test_an_instruction_leads_to_the_map_and_its_details(page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_run) as page:
        show(page, "microcode", "?layer=1")
        row = grid(page).get_by_role("row").filter(has_text="0x0005")
        row.click()
        expect(selected(page)).to_contain_text("0x0005")
        slider = page.get_by_role("slider", name=re.compile("Instruction"))
        expect(slider).to_have_value("5")
        details = page.get_by_role("region", name=re.compile("instruction|details", re.IGNORECASE))
        expect(details.first).to_contain_text("0x0005")
        micro = page.evaluate("async () => (await window.apcInspector.tile(1, 0)).micro(5)")
        steps = page.get_by_role("list", name="Micro-operations").get_by_role("listitem").all_inner_texts()
        unnamed = [re.sub(r"\([rab]\d+\)", "", " ".join(step.split())) for step in steps]
        assert unnamed == [" ".join(step.split()) for step in micro]


def test_the_first_instruction_is_selected_at_first(page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_run) as page:
        show(page, "microcode", "?layer=1")
        expect(selected(page)).to_contain_text("0x0000")
        expect(page.get_by_role("region", name="Selected instruction")).to_contain_text("0x0000")
        show(page, "microcode", "?layer=1&address=0xffffff")
        last = facts_of(page_of_run)["layers"][1]["instructions"] - 1
        expect(selected(page)).to_contain_text(f"0x{last:04x}")


_COLUMNS = """() => {
  const grid = document.querySelector("[role=grid]");
  const lefts = (row) => [...row.querySelectorAll("[role=columnheader], [role=gridcell]")]
    .map((cell) => Math.round(cell.getBoundingClientRect().left));
  const rows = [...grid.querySelectorAll("[role=row]")].map(lefts);
  const [heads, ...others] = rows.filter((row) => row.length === rows[0].length);
  return {heads, others, cut: grid.scrollWidth - grid.clientWidth};
}"""


@pytest.mark.parametrize("width", [1280, 1440])
def test_every_column_of_the_listing_is_in_sight(width: int, page_of_run: Path, browser: Browser) -> None:
    """Beside the map, each below its head, whatever the layer's names."""
    with visit(browser, page_of_run, width=width) as page:
        for layer in range(len(facts_of(page_of_run)["layers"])):
            show(page, "microcode", f"?layer={layer}&address=0x100000")
            grid(page).and_(page.get_by_label(f"Instructions of layer {layer},")).wait_for()
            found = page.evaluate(_COLUMNS)
            assert found["cut"] <= 0 and found["others"]
            assert all(row == found["heads"] for row in found["others"])


def test_a_cell_of_the_map_leads_to_the_instruction_that_wrote_it(
    digits: Path, page_of_run: Path, browser: Browser
) -> None:
    program = apc.load(digits / "digits.apc")
    code = program.layers[1].tiles[0].instructions
    writer, moment = 0x20, 0x40  # gathers: nothing writes the field of one again so soon
    assert (code["op"][writer : moment + 1] == Op.GATHER).all()
    column, domain = int(code["r_column"][writer]), int(code["r_domain"][writer])
    array = program.target["array"]
    with visit(browser, page_of_run) as page:
        show(page, "microcode", f"?layer=1&address={moment:#x}")
        picture = page.get_by_role("application").locator("canvas")
        box = picture.bounding_box()
        assert box is not None
        x = box["x"] + (column + 0.5) / array["columns"] * box["width"]
        y = box["y"] + (domain + 0.5) / array["domains"] * box["height"]
        page.mouse.move(x, y)
        expect(page.locator("#map-readout")).to_contain_text(f"c{column}.d{domain}")
        page.mouse.click(x, y)
        goes_to(page, writer)


def test_search_finds_instructions(digits: Path, page_of_run: Path, browser: Browser) -> None:
    program = apc.load(digits / "digits.apc")
    multiplying = [
        (index, address)
        for index, layer in enumerate(program.layers)
        for tile in layer.tiles
        for address in (tile.instructions["op"] == Op.MAC).nonzero()[0].tolist()
    ]
    with visit(browser, page_of_run) as page:
        show(page, "microcode")
        page.get_by_role("search").get_by_role("combobox").select_option("program")
        box = page.get_by_role("searchbox", name="Search")
        box.fill("/\\bmac\\b/")
        expect(page.get_by_role("search").get_by_role("status")).to_have_text(f"{len(multiplying)} found")
        for layer, address in multiplying[:2]:
            box.press("Enter")
            expect(selected(page)).to_contain_text(f"0x{address:04x}")
            goes_to(page, address)
            assert f"layer={layer}" in page.url
        box.fill("gather")
        box.press("Enter")  # before the page has searched by itself
        expect(page.get_by_role("search").get_by_role("status")).to_contain_text("found")
        expect(selected(page)).to_contain_text("gather")
        box.fill("no such thing")
        expect(page.get_by_role("search").get_by_role("status")).to_have_text("0 found")
        box.fill("/(/")
        expect(page.get_by_role("search").get_by_role("status")).to_contain_text("Not a regular expression")


def test_the_listing_is_a_grid_of_all_rows(page_of_run: Path, browser: Browser) -> None:
    tile = facts_of(page_of_run)["layers"][5]["tiles"][0]
    with visit(browser, page_of_run) as page:
        show(page, "microcode", "?layer=5")
        rows = len(tile["phases"]) + tile["instructions"] + 1
        expect(grid(page)).to_have_attribute("aria-rowcount", str(rows))
        assert grid(page).get_by_role("row").count() < 120  # those in sight only
        grid(page).focus()
        page.keyboard.press("End")
        last = tile["instructions"] - 1
        expect(selected(page)).to_contain_text(f"0x{last:04x}")
        expect(selected(page)).to_have_attribute("aria-rowindex", str(rows))
        page.keyboard.press("ArrowUp")
        goes_to(page, last - 1)
        page.keyboard.press("Home")
        goes_to(page, 0)


def test_the_keys_of_the_microcode_work_wherever_the_reader_is(page_of_run: Path, browser: Browser) -> None:
    tile = facts_of(page_of_run)["layers"][1]["tiles"][0]
    last, second = tile["instructions"] - 1, tile["phases"][1][1]
    with visit(browser, page_of_run) as page:
        show(page, "microcode", "?layer=1")
        expect(selected(page)).to_contain_text("0x0000")
        expect(grid(page)).not_to_be_focused()
        for key, address in {"End": last, "Home": 0, "]": second, "[": 0}.items():
            page.keyboard.press(key)
            expect(selected(page)).to_contain_text(f"0x{address:04x}")
        page.keyboard.press("g")
        expect(page.get_by_role("textbox", name="Go to")).to_be_focused()
        page.keyboard.press("Escape")
        expect(grid(page)).to_be_focused()
        page.get_by_role("button", name="Fullest").focus()
        page.keyboard.press("/")
        box = page.get_by_role("searchbox", name="Search")
        expect(box).to_be_focused()
        page.keyboard.type("add n")  # in a field they are letters; nothing has this text
        page.keyboard.press("Enter")
        expect(page.get_by_role("search").get_by_role("status")).to_have_text("0 found")
        expect(box).to_be_focused()
        box.fill("gather")
        page.keyboard.press("Enter")
        expect(grid(page)).to_be_focused()
        for key, count in {"n": 2, "N": 1}.items():
            page.keyboard.press(key)
            expect(page.get_by_role("search").get_by_role("status")).to_contain_text(f"{count} of ")


def test_a_place_that_is_not_there_is_said(page_of_run: Path, browser: Browser) -> None:
    layers = facts_of(page_of_run)["layers"]
    beyond = layers[1]["instructions"]
    with visit(browser, page_of_run) as page:
        notice = page.get_by_role("status").and_(page.locator("main > *"))
        for query, said in {
            "?layer=1": "",
            f"?layer=1&address={beyond:#x}": f"0x0 to {beyond - 1:#x}",
            "?layer=1&address=zzz": f"0x0 to {beyond - 1:#x}",
            "?layer=99": f"0 to {len(layers) - 1}",
            "?layer=1&tile=7": "no such tile",
            "?layer=1&address=0x1": "",
        }.items():
            show(page, "microcode", query)
            expect(notice).to_have_text(re.compile(said) if said else "")
        for text in ("zzz", f"{beyond:x}"):
            page.get_by_role("textbox", name="Go to").fill(text)
            page.keyboard.press("Enter")
            expect(notice).to_contain_text(f"“{text}”: There is no such instruction")
            expect(selected(page)).to_contain_text("0x0001")
        page.get_by_role("textbox", name="Go to").fill("0x2")
        page.keyboard.press("Enter")
        expect(notice).to_have_text("")
        page.evaluate("location.hash = '#/nowhere'")
        expect(notice).to_contain_text("no view “nowhere”")
        expect(page.locator("main.view-overview")).to_be_visible()


def test_the_keyboard_alone_reaches_every_view(page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_run) as page:
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        page.keyboard.press("Tab")
        for view in VIEWS:
            page.keyboard.press("Tab")
            expect(page.locator(":focus")).to_have_text(view.capitalize())
            page.keyboard.press("Enter")
            expect(page.locator(f"main.view-{view}")).to_be_visible()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("main.view-graph")).to_be_visible()


def test_the_theme_is_chosen_and_kept(page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_run) as page:
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.get_by_role("button", name="Switch to dark colours").click()
        dark = page.evaluate(background)
        assert dark != light
        page.reload()
        page.get_by_role("button", name="Switch to light colours").wait_for()
        assert page.evaluate(background) == dark


def test_tables_export_what_the_summary_says(page_of_run: Path, browser: Browser) -> None:
    layers = facts_of(page_of_run)["layers"]
    with visit(browser, page_of_run) as page:
        figure = page.locator("figure").filter(has=page.get_by_role("table", name=re.compile("layers", re.IGNORECASE)))
        with page.expect_download() as download:
            figure.first.get_by_role("button", name="CSV").click()
        with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    named = {row["name"]: row for row in rows}
    for layer in layers:
        row = named[layer["name"]]
        assert int(row["cycles"]) == layer["cycles"] and int(row["instructions"]) == layer["instructions"]
        assert float(row["energy_J"]) == layer["energy_J"]["total"]


def test_what_is_estimated_is_said(page_of_program: Path, page_of_run: Path, browser: Browser) -> None:
    with visit(browser, page_of_program) as page:
        for view in ("overview", "energy"):
            show(page, view)
            expect(page.locator("main")).to_contain_text(re.compile("estimate", re.IGNORECASE))
        show(page, "comparison")
        expect(page.locator("main")).to_contain_text("apc compare")
    with visit(browser, page_of_run) as page:
        show(page, "comparison")
        expect(page.locator("main")).to_contain_text("crossbar-isaac")
        show(page, "energy")
        expect(page.locator("main")).to_contain_text("a run of 8 images")


def test_every_figure_has_its_source(page_of_run: Path, browser: Browser) -> None:
    figures = facts_of(page_of_run)["figures"]
    with visit(browser, page_of_run) as page:
        show(page, "figures")
        page.get_by_role("combobox", name="Target").select_option("All targets")
        expect(page.locator("tbody tr")).to_have_count(len(figures))
        text = page.locator("main").text_content() or ""
        assert [figure["source"] for figure in figures if figure["source"] not in text] == []


def test_licences_of_what_is_bundled(page_of_run: Path, browser: Browser) -> None:
    package = json.loads((ROOT / "apc" / "inspector" / "web" / "package.json").read_text(encoding="utf-8"))
    with visit(browser, page_of_run) as page:
        show(page, "about")
        shown = page.locator("main").text_content() or ""
        for name, version in package["dependencies"].items():
            assert f"{name} {version}: " in shown
        assert "no licence file" not in shown


def test_a_place_can_be_sent(page_of_run: Path, browser: Browser) -> None:
    """The address names view, layer and instruction; the back button undoes."""
    with visit(browser, page_of_run) as page:
        show(page, "microcode", "?layer=2&address=0x10")
        page.reload()
        expect(selected(page)).to_contain_text("0x0010")
        show(page, "energy")
        page.go_back()
        expect(selected(page)).to_contain_text("0x0010")
