"""The report of a comparison, from backends made by hand: JSON, tables, sentences, CSV, HTML, plots."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console
from rich.table import Table

import apc
from apc.comparison.accuracy import accuracy_of
from apc.comparison.break_even import break_even
from apc.comparison.driver import Comparison
from apc.comparison.sensitivity import probes, sensitivity
from apc.comparison.workload import Workload
from apc.report.compare import compare_report
from apc.report.compare_csv import COLUMNS, compare_csv
from apc.report.compare_html import compare_html
from apc.report.compare_lines import flip_lines, headline_lines, method_lines, verdict_line, workload_lines
from apc.report.compare_plots import energy_plot, layers_plot, share_plot, tornado_plot
from apc.report.compare_text import (
    SENSITIVITY_COLUMNS,
    backends_tables,
    break_even_tables,
    layers_tables,
    sensitivity_tables,
)
from apc.report.reference import program_reference
from tests.apc.comparison.fakes import ap, crossbar
from tests.close import close

WORK = Workload("net <1>", "0" * 64, 2, 1000, 300, 50, 20, (2, 8), (4,), 1)


def comparison() -> Comparison:
    """An AP of 910 fJ against crossbars of 900 fJ and of 10.5 pJ."""
    import numpy as np

    classes, labels = np.array([0, 1, 2, 3]), np.array([0, 1, 2, 0])
    exact = accuracy_of(classes, classes, labels)
    side = replace(ap(), accuracy=exact)
    near = replace(crossbar(), name="near & dear", accuracy=accuracy_of(np.array([0, 1, 0, 0]), classes, labels))
    far = replace(crossbar(other_J=1e-11), name="far", notes=["a note"], accuracy=exact)
    pairs = [sensitivity(side, item, probes(side, 3.0), probes(item, 3.0)) for item in (near, far)]
    return Comparison(
        WORK, [side, near, far], [break_even(side, item) for item in (near, far)], pairs, 3.0, 4, ["something left out"]
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return compare_report(comparison())


WIDTH = 200


def text(table: Table, width: int = WIDTH) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_json_follows_its_schema(report: dict[str, Any]) -> None:
    schema = json.loads((Path(apc.__file__).parent / "schemas" / "apc.compare.json").read_text())
    document = json.loads(json.dumps({"schema": "apc.compare/1", **program_reference(None), **report}, allow_nan=False))
    jsonschema.Draft202012Validator(schema).validate(document)


def test_figures_of_backends(report: dict[str, Any]) -> None:
    side, near, far = report["backends"]
    assert [item["ratio_to_ap"] for item in (side, near, far)] == close([1, 900 / 910, 10500 / 910])
    assert side["energy_J"] == close(
        {"sense": 5e-14, "compute": 2.5e-13, "control": 2.5e-13, "movement": 3.6e-13, "total": 9.1e-13}
    )
    assert side["movement_share"] == close(360 / 910)
    assert near["energy_per_mac_J"] == close(9e-16)
    assert near["tops_per_W"] == close(2 * 1000 / 9e-13 / 1e12)
    assert near["energy_delay_Js"] == close(9e-13 * 1e-3)
    assert (near["area_m2"], near["latency_s"]) == close((1e-6, 1e-3))
    assert (side["accuracy"], side["agreement"]) == (0.75, 1.0)
    assert (near["accuracy"], near["agreement"]) == (0.75, 0.5)
    low, high = near["agreement_interval"]
    assert 0 < low < 0.5 < high < 1


def test_layers_sum_to_totals_exactly(report: dict[str, Any]) -> None:
    for backend in report["backends"]:
        for component, total in backend["energy_J"].items():
            assert sum(layer["energy_J"].get(component, 0.0) for layer in backend["layers"]) == total


def test_without_a_dataset_there_is_no_accuracy() -> None:
    found = comparison()
    bare = replace(found, backends=[replace(item, accuracy=None) for item in found.backends], images=None)
    for backend in compare_report(bare)["backends"]:
        for key in ("accuracy", "accuracy_interval", "agreement", "agreement_interval"):
            assert backend[key] is None
    (table,) = backends_tables(compare_report(bare), WIDTH)
    shown = text(table)
    assert "agreement" not in shown and "accuracy" not in shown
    assert ",,,1.0\n" in compare_csv(compare_report(bare))


def test_tables_for_people(report: dict[str, Any]) -> None:
    (table,) = backends_tables(report, WIDTH)
    shown = text(table)
    for word in ("near & dear", "910 fJ", "900 fJ", "39.6%", "75.00%", "50.00%", "adc", "sense"):
        assert word in shown
    assert "accumulate" not in shown  # no backend has it
    (table,) = layers_tables(report, WIDTH)
    layers = text(table)
    assert "first" in layers and "last" in layers and "675 fJ" in layers
    (table,) = break_even_tables(report, WIDTH)
    solved = text(table)
    for word in ("search_row_J", "1 fJ", "ADC conversion, tie", "5.1 fJ", "never"):
        assert word in solved
    near, far = sensitivity_tables(report, 2, WIDTH)
    assert len(near.rows) == len(far.rows) == 2
    assert "flips" in text(near)


@pytest.mark.parametrize("width", [48, 60, 80, 120])
def test_narrow_terminals_get_several_tables(report: dict[str, Any], width: int) -> None:
    names = ["ap", "near & dear", "far"]
    for tables in (backends_tables(report, width), layers_tables(report, width)):
        shown = [text(table, width) for table in tables]
        headings = [[str(column.header) for column in table.columns[1:]] for table in tables]
        others = [name for heading in headings for name in heading if name != names[0]]
        assert headings[0][0] == names[0] and others == names[1:]
        for table, lines in zip(tables, shown, strict=True):
            assert max(map(len, lines.splitlines())) <= width
            assert sum(line.strip() != "" for line in lines.splitlines()) == table.row_count + 2  # nothing is folded
    assert len(backends_tables(report, 48)) == 3 and len(backends_tables(report, 120)) == 1
    for table in backends_tables(report, 80):  # wide enough for two columns: the reference is in every table
        assert str(table.columns[1].header) == names[0] and len(table.columns) == 3


def test_a_narrow_sensitivity_table_leaves_out_the_values_that_were_tried(report: dict[str, Any]) -> None:
    for width, headings in ((200, list(SENSITIVITY_COLUMNS)), (70, ["ratio at", "and at", "swing", "winner"])):
        near, far = sensitivity_tables(report, 3, width)
        for table in (near, far):
            assert [str(column.header) for column in table.columns[1:]] == headings
            shown = text(table, width).splitlines()
            assert max(map(len, shown)) <= width
        rows = [line.split()[:2] for line in text(near, width).splitlines() if "conversion_J" in line]
        assert rows == [["array", "adc.conversion_J"]]


def test_a_pair_that_no_figure_moves_has_no_table(report: dict[str, Any]) -> None:
    still = {"factor": 3.0, "pairs": [{**report["sensitivity"]["pairs"][0], "rows": []}]}
    assert sensitivity_tables({**report, "sensitivity": still}, 3, WIDTH) == []


def test_long_names_fold_and_cells_do_not(report: dict[str, Any]) -> None:
    named = {**report, "backends": [{**item, "name": "a very long name of it"} for item in report["backends"]]}
    (table,) = layers_tables(named, 100)
    shown = text(table)
    assert "675 fJ" in shown and "a very long name of" in shown and "a very long name of it" not in shown


def test_sentences(report: dict[str, Any]) -> None:
    work = " ".join(workload_lines(report))
    assert "1 k multiply-accumulates" in work and "weights of 2, 8 bits" in work and "4 images" in work
    method = method_lines(report)
    assert method[0].startswith("ratio to the AP: energy over that on ap")
    assert method[-1] == "something left out"
    assert any(line.startswith("far: about crossbar; 0 of 3 figures assumed; made up; a note") for line in method)
    published, near, far = headline_lines(report)
    assert "7.5x" in published and "2401.12630" in published
    assert near.startswith("ap against near & dear: the array takes 0.989x the energy; 7.5x would take more")
    assert "or an array that takes 6.83 pJ an image" in near
    assert far.startswith(
        "ap against far: the array takes 11.5x the energy, which holds under these assumptions: about ap ("
    )
    assert far.endswith("energy.control_bit_J 5 fJ); and about crossbar (5 fJ a conversion)")
    first, second = flip_lines(report)
    assert first.startswith("ap against near & dear (energy ratio 0.989): the winner changes with ")
    assert "array adc.conversion_J" in first and "AP energy.control_bit_J" in first
    assert second == "ap against far (energy ratio 11.5): no figure alone changes the winner"


def test_a_headline_within_reach_is_solved() -> None:
    side, against = ap(events=(1000, 0, 0, 0, 0, 1)), crossbar()  # 1000 fJ of searches and 6 fJ; 900 fJ
    found = Comparison(WORK, [side, against], [break_even(side, against)], [], None, None, [])
    line = headline_lines(compare_report(found))[1]
    assert "7.5x would take energy.search_row_J at 0.114 fJ (now 1 fJ)" in line
    assert "or search, write and shift energy all x 0.114, or an array" in line


def test_csv(report: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(compare_csv(report))))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["backend"], row["layer"]) for row in rows] == [
        (name, layer) for name in ("ap", "near & dear", "far") for layer in ("", "first", "last")
    ]
    for whole, first, last in zip(*[iter(rows)] * 3, strict=True):
        assert float(first["energy_J"]) + float(last["energy_J"]) == float(whole["energy_J"])
        assert first["ratio_to_ap"] == "" and float(whole["ratio_to_ap"]) > 0
    assert rows[0]["adc_J"] == "" and float(rows[3]["adc_J"]) == close(5e-13)
    assert {(row["batch"], row["images"]) for row in rows} == {("1", "4")}
    bare = list(csv.DictReader(io.StringIO(compare_csv({**report, "images": None}))))
    assert {row["images"] for row in bare} == {""}


def test_an_area_that_is_not_apportioned_is_empty(report: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(compare_csv(report))))
    assert [float(row["area_m2"]) for row in rows[:3]] == close([1e-6, 2.5e-7, 7.5e-7])
    side = report["backends"][0]
    shared = {**side, "layers": [{**layer, "area_m2": None} for layer in side["layers"]]}
    rows = list(csv.DictReader(io.StringIO(compare_csv({**report, "backends": [shared]}))))
    assert [row["area_m2"] for row in rows] == [str(side["area_m2"]), "", ""]


def test_the_verdict(report: dict[str, Any]) -> None:
    """From the energies that the first test has: 910 fJ on the AP, 900 fJ and 10.5 pJ on the crossbars."""
    line = verdict_line(report)
    assert line == (
        "verdict: net <1> takes 910 fJ an image on ap, 11.5x less than far; 1.01x more than near & dear. "
        "40% of it is movement."
    )
    pair = report["break_even"]["pairs"][1]
    names = ["a", "b", "c", "d"]
    many = [{**pair, "crossbar": name, "ratio": ratio} for name, ratio in zip(names, (8, 2, 4, 3), strict=True)]
    line = verdict_line({**report, "break_even": {**report["break_even"], "pairs": many}})
    assert ", 2x to 8x less than a, b and 2 other arrays. 40%" in line


def test_html_is_complete_and_loads_nothing(report: dict[str, Any]) -> None:
    page = compare_html(report, 10)
    assert page == compare_html(report, 10)
    assert "net &lt;1&gt;" in page and "near &amp; dear" in page and "<1>" not in page
    for backend in report["backends"]:
        for figure in backend["figures"]:
            assert figure["source"] in page
    assert set(re.findall(r"https?://[^\"' <]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"<script|<link|<img|@import|url\((?!#)", page)
    assert "light-dark(" in page and "currentColor" in page
    places = re.findall(r'\bid="([^"]+)"', page)
    assert len(places) == len(set(places))
    for used in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page):
        assert next(filter(None, used)) in places


def test_html_without_sensitivity() -> None:
    found = replace(comparison(), sensitivity=[], factor=None)
    assert "Which constant decides" not in compare_html(compare_report(found), 10)


def test_plots_are_well_formed(report: dict[str, Any]) -> None:
    drawn = [energy_plot(report), share_plot(report), layers_plot(report)]
    drawn += [tornado_plot(pair, 3) for pair in report["sensitivity"]["pairs"]]
    for element in drawn:
        root = ElementTree.fromstring(element)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("role") == "img" and "as in the table" in str(root.get("aria-label"))
        assert "#010203" not in element
    odd = {**report, "backends": [{**item, "name": r"$\frac$ & <b>"} for item in report["backends"][:1]]}
    assert r"$\frac$ &amp; &lt;b&gt;" in energy_plot(odd)  # neither mathematics nor markup
    assert "910 fJ, x 1" in drawn[0] and "movement" in drawn[1] and "last" in drawn[2]
    assert "array adc.conversion_J" in drawn[3]
