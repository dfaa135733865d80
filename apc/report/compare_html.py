"""A comparison as one HTML file: tables, plots and the source of every figure, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from apc.report.compare_lines import break_even_line, flip_lines, headline_lines, method_lines, workload_lines
from apc.report.compare_plots import energy_plot, layers_plot, share_plot, tornado_plot
from apc.report.compare_text import SENSITIVITY_COLUMNS, backend_rows, break_even_rows, layer_rows, sensitivity_rows
from apc.report.figures import figure_cells

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
       color: light-dark(#1b1f24, #e4e7eb); background: light-dark(#ffffff, #16191d); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid light-dark(#d8dce1, #363c44); }
th { vertical-align: bottom; overflow-wrap: anywhere; }
th:first-child, td:first-child, .text td { text-align: left; }
tr.rule > * { border-top: 2px solid light-dark(#9aa3ad, #69727d); }
svg { max-width: 100%; height: auto; }
"""


def compare_html(report: dict[str, Any], top: int) -> str:
    """``report``: of ``apc.report.compare.compare_report``; ``top``: figures of each sensitivity table and plot."""
    title = f"{report['workload']['name']}: associative processors and arrays that compute"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _paragraphs(workload_lines(report)),
        "<h2>Energy, time, area</h2>",
        _table("per image", _names(report), backend_rows(report)),
        energy_plot(report),
        share_plot(report),
        _paragraphs(method_lines(report)),
        "<h2>Layers</h2>",
        layers_plot(report),
        _table("energy per image", _names(report), [layer_rows(report)]),
        "<h2>Break-even</h2>",
        _paragraphs([break_even_line(report)]),
        *(_table(name, ["now", *arrays], [rows]) for name, arrays, rows in break_even_rows(report)),
        "<h2>The published headline</h2>",
        _list(headline_lines(report)),
        *_sensitivities(report, top),
        "<h2>Sources</h2>",
        *(_sources(backend) for backend in report["backends"]),
    ]
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _sensitivities(report: dict[str, Any], top: int) -> list[str]:
    pairs = [pair for pair in report["sensitivity"]["pairs"] if pair["rows"]]
    if not pairs:
        return []
    factor = report["sensitivity"]["factor"]
    parts = [
        "<h2>Which constant decides</h2>",
        _paragraphs([f"Every figure alone, divided and multiplied by {factor:g} (bits: less and more by one)."]),
        _list(flip_lines(report)),
    ]
    for pair, (name, rows) in zip(pairs, sensitivity_rows(pairs, top), strict=True):
        parts += [tornado_plot(pair, top), _table(name, SENSITIVITY_COLUMNS, [rows])]
    return parts


def _names(report: dict[str, Any]) -> list[str]:
    return [backend["name"] for backend in report["backends"]]


def _sources(backend: dict[str, Any]) -> str:
    rows = [(figure["key"], figure_cells(figure)) for figure in backend["figures"]]
    table = _table("figure", ["value", "unit", "assumed", "year", "source"], [rows], "text")
    return f"<details><summary>{escape(backend['name'])}: {len(rows)} figures</summary>\n{table}\n</details>"


def _table(
    title: str, headings: Sequence[str], sections: Iterable[Iterable[tuple[str, Sequence[str]]]], kind: str = ""
) -> str:
    """A line separates sections."""
    lines = ["".join(f"<th>{escape(heading)}</th>" for heading in (title, *headings))]
    for section in sections:
        for number, (heading, cells) in enumerate(section):
            rule = ' class="rule"' if number == 0 else ""
            lines.append("".join(f"<td>{escape(cell)}</td>" for cell in (heading, *cells)))
            lines[-1] = f"<tr{rule}>{lines[-1]}</tr>"
    lines[0] = f"<tr>{lines[0]}</tr>"
    kind = f' class="{kind}"' if kind else ""
    return f'<div class="wide"><table{kind}>\n' + "\n".join(lines) + "\n</table></div>"


def _paragraphs(lines: Iterable[str]) -> str:
    return "\n".join(f"<p>{escape(line)}</p>" for line in lines)


def _list(lines: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in lines) + "\n</ul>"
