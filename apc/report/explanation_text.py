"""What `apc explain` prints: the output, its sum, its costs, and every instruction that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from apc.report.listing_text import shortened
from apc.report.tables import Column, Row, fitted, room

_COLUMNS = [
    Column("address", text=True),
    Column("computation", text=True),
    Column("operand in", rank=3),
    Column("at", rank=2),
    Column("then in", rank=1),
    Column("also for outputs", text=True),
]
_LONGEST = (0, 24, 16, 12)
"""Letters of a name (0: all), the first that leave room for all columns."""
_LISTED = 4
"""Outputs that are listed by number; of more, only the first ones."""
_COUNTS = {
    "instructions": "instructions",
    "additions": "additions",
    "search_passes": "search passes",
    "write_passes": "write passes",
    "shift_steps": "shift steps",
    "cycles": "cycles",
}


def items(report: dict[str, Any], width: int) -> Iterator[Table | str]:
    """What to print of an ``explain`` payload, in lines of ``width`` letters."""
    interval = "".join(f", in {_interval(block['steps'][-1]['interval'])}" for block in report["blocks"][:1])
    yield (
        f"{report['output']}: channel {report['channel']} of layer {report['layer_index']} {report['layer']} "
        f"({report['op']}), tile {report['tile']}, at {report['place']}{interval}"
    )
    yield from _sum(report)
    yield from _table(report, width)
    if report["deeper_blocks"]:
        deepest = max(block["depth"] for block in report["blocks"])
        yield f"{report['deeper_blocks']} more values are further from the output: --depth {deepest + 1}"
    yield from _totals(report["totals"], width)


def _sum(report: dict[str, Any]) -> Iterator[str]:
    total, counts = report["sum"], report["totals"]
    if total is None:
        return
    terms = sum(product["tensor"] is not None for product in total["products"])
    held = f", and a constant of {total['constant']:,}" if total["constant"] else ""
    shared = counts["shared_additions"]
    yield (
        f"its sum is {total['name']} after {total['address']:#06x}: {_count(terms, 'term')}{held}, by "
        f"{_count(counts['additions'], 'addition')}, {f'{shared:,}' if shared else 'none'} of which "
        f"serve{'s' * (shared == 1)} other outputs as well"
    )


def _table(report: dict[str, Any], width: int) -> list[Table | str]:
    """The blocks, with names as long as there is room for."""
    rows: list[Row] = []
    for longest in _LONGEST:
        rows = list(_rows(report, longest))
        cells = zip(*([column.heading for column in _COLUMNS], *(row for row in rows if row is not None)), strict=True)
        if room(max(map(len, column)) for column in cells) <= width:
            break
    return fitted(_COLUMNS, rows, width)


def _rows(report: dict[str, Any], longest: int) -> Iterator[Row]:
    """A heading and a line an operand for every value; ``longest``: letters of a name (0: all)."""
    for number, block in enumerate(report["blocks"]):
        if number:
            yield None
        yield ["", _heading(block, longest), "", block["place"], "", ""]
        phase = ""
        for step in block["steps"]:
            if step["phase"] != phase and block["role"] == "sum":
                phase = step["phase"]
                yield ["", f"({phase})", "", "", "", ""]
            yield from _step(step, report["channel"], longest)


def _heading(block: dict[str, Any], longest: int) -> str:
    name, used = shortened(block["name"], longest), len(block["steps"][-1]["outputs"])
    match block["role"]:
        case "output":
            return "the output:"
        case "temporary":
            return f"{name}, for {_count(used, 'output')}:"
        case role:
            return f"{name}, its {role}:"


def _step(step: dict[str, Any], channel: int, longest: int) -> Iterator[Row]:
    """The lines of one instruction; what it leaves stands in the last one."""
    lines = list(lines_of(step, longest))
    for number, (words, term) in enumerate(lines):
        last = number + 1 == len(lines)
        yield [
            f"{step['address']:#06x}" if number == 0 else "",
            words,
            "" if term is None else _interval(term["interval"]),
            "" if term is None else term["place"],
            _interval(step["interval"]) if last else "",
            "" if term is None else _others(term["outputs"], channel),
        ]


def lines_of(step: dict[str, Any], longest: int = 0) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """(words, the operand that they are about) of an instruction; ``longest``: letters of a name (0: all)."""
    terms, constants = step["terms"], step["constants"]
    if step["opcode"] in ("clamp", "step", "max"):
        compared = [term for term in terms if term["operand"] == "a"]
        words = " + ".join(_operand(term, longest) for term in compared) or "what was there"
        yield _compared(step, words), compared[0] if compared else None
        yield from (("", term) for term in compared[1:])
        return
    if step["opcode"] == "extend":
        yield f"sign extended to {step['width']} bits", None
    begins = step["opcode"] in ("copy", "addo", "subo", "const", "gather")
    for number, term in enumerate(terms):
        sign = "=" if begins and number == 0 and term["sign"] > 0 else "+" if term["sign"] > 0 else "-"
        lift = f" ({constants[0] << step['shift']:+d})" if constants and number + 1 == len(terms) else ""
        times = f" * {shortened(step['gathered'], longest)}" if step["gathered"] else ""
        yield f"{sign} {_operand(term, longest)}{times}{lift}", term
    if not terms and step["opcode"] in ("copy", "addo", "subo", "add", "sub", "mac"):
        yield "reads what was there", None
    elif not terms and constants:
        sign = "=" if begins else "+" if constants[0] > 0 else "-"
        yield f"{sign} {constants[0] if begins else abs(constants[0])}{_shifted(step['shift'])}", None
    if step["opcode"] == "gather":
        yield f"= {shortened(step['gathered'], longest)}", None


def _compared(step: dict[str, Any], operand: str) -> str:
    constants = step["constants"]
    match step["opcode"]:
        case "clamp":
            return f"= clamp({operand}, {constants[0]}, {constants[1]})"
        case "step":
            return f"= {constants[1]}{_shifted(step['shift'])} where {operand} >= {constants[0]}"
        case _:
            return f"= max of it and {operand}"


def _operand(term: dict[str, Any], longest: int) -> str:
    taken = f" >> {term['low_bit']}" if term["low_bit"] else ""
    return f"{shortened(term['name'], longest)}{taken}{_shifted(term['shift'])}"


def _shifted(bits: int) -> str:
    return f" << {bits}" if bits else ""


def _interval(interval: list[int]) -> str:
    return f"[{interval[0]}, {interval[1]}]"


def _others(outputs: list[int], channel: int) -> str:
    """How many other outputs a value is for, and which: "3: 0 4 7"."""
    others = [output for output in outputs if output != channel]
    if not others:
        return ""
    more = " .." if len(others) > _LISTED else ""
    return f"{len(others)}: {' '.join(map(str, others[:_LISTED]))}{more}"


def _totals(totals: dict[str, Any], width: int) -> list[Table | str]:
    """What the output takes, and what is left of that where shared instructions are divided."""
    columns = [Column("the output takes", text=True), Column("in all"), Column("shared divided")]
    rows: list[Row] = [[name, f"{totals[key]:,}", f"{totals['own'][key]:,.1f}"] for key, name in _COUNTS.items()]
    return fitted(columns, rows, width)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
