"""docs/figures/*.svg: the machine, drawn from its tables and from a compiled program.

python -m apc.report.machine_figures docs/figures MODEL.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apc.files import atomic_write
from apc.report.drawing import BLUE, FAINT, GREEN, GREY, INK, ORANGE, Figure, draw_cell, svg, without_axes
from apc.report.isa_page import assembled
from apc.report.program_figures import energy_figure, example_program, waves_figure
from backends.target import load_target
from ir.expand import MicroOp, Search, SearchOr, Shift, Write, expand_instruction
from ir.program import Program

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TARGET = "rtm-ap-published"
ADD = "add c8.d0:3 c6.d0:2"
ADD_ROWS = ((2, 1), (3, 3), (0, 3), (1, 0))
"""(r, a) in the rows of the picture of an addition."""


def figures(program: Program) -> dict[str, str]:
    """Every figure as SVG by the name of its file. ``program``: of the figures of waves and energy."""
    drawn = {
        "array": ARRAY,
        "fields": FIELDS,
        "add": ADDITION,
        "shifts": SHIFTS,
        "waves": waves_figure(program),
        "energy": energy_figure(program),
    }
    return {f"{name}.svg": svg(figure, name) for name, figure in drawn.items()}


# --- arrays and fields ------------------------------------------------------------------------------------------


def _draw_array(axes: Axes) -> None:
    """Three columns, four rows; the nanowires of a column are all shifted alike, the port shows one domain."""
    domains, rows, pitch = 6, 4, 9
    for column, shift in enumerate((0, 2, 1)):
        port = column * pitch + 2
        axes.text(port + 0.5, -0.7, f"column {column + 3}: d{shift} at the port", ha="center", fontsize=9)
        for row in range(rows):
            for domain in range(domains):
                face = BLUE if domain == shift else "white"
                draw_cell(axes, port + domain - shift, row * 1.3, f"d{domain}", face)
        axes.plot([port, port, port + 1, port + 1, port], [-0.2, 5.1, 5.1, -0.2, -0.2], color=ORANGE, linewidth=2)
        axes.text(port + 0.5, rows * 1.3 + 0.5, "port", ha="center", color=ORANGE)
    for row in range(rows):
        axes.text(-0.6, row * 1.3 + 0.5, f"row {row}", ha="right", va="center")
    without_axes(axes, 3 * pitch - 1, rows * 1.3)
    axes.set_xlim(-3, 3 * pitch - 1)


def _draw_fields(axes: Axes) -> None:
    """One row of an array seen from above: columns to the right, domains downwards."""
    columns, domains = 16, 7
    places: dict[tuple[int, int], tuple[str, str]] = {}
    for name, flag in enumerate("CFG"):
        places[name, 0] = flag, GREY
    places |= {(5, 1 + bit): (str(bit), BLUE) for bit in range(6)}
    places |= {(8 + bit, 3): (str(bit), GREEN) for bit in range(6)}
    for column in range(columns):
        axes.text(column + 0.5, -0.4, str(column), ha="center", fontsize=8)
        for domain in range(domains):
            text, face = places.get((column, domain), ("", "white"))
            draw_cell(axes, column, domain, text, face)
    for domain in range(domains):
        axes.text(-0.3, domain + 0.5, f"d{domain}", ha="right", va="center", fontsize=8)
    axes.text(5.5, domains + 0.6, "c5.d1:6\nalong a nanowire", ha="center", va="top", color=BLUE)
    axes.text(11, domains + 0.6, "c8.d3:6x\nacross columns", ha="center", va="top", color=GREEN)
    axes.text(1.5, domains + 0.6, "flags", ha="center", va="top", color=INK)
    without_axes(axes, columns, domains + 2)


# --- an addition ---------------------------------------------------------------------------------------------------


def _operations(text: str) -> list[MicroOp]:
    tile = assembled(text)
    return expand_instruction(tile.instructions[0], tile, False, [0] * load_target(TARGET).array.columns)


def addition() -> list[tuple[str, list[bool], list[str]]]:
    """The picture's columns: (pass, rows that it tags, bits of each row after it as "C r a")."""
    cells = [{(8, bit): r >> bit & 1 for bit in range(3)} | {(6, bit): a >> bit & 1 for bit in range(2)} | {(0, 0): 0}
             for r, a in ADD_ROWS]  # fmt: skip
    shown, tagged, key = [], [False] * len(cells), ""
    for op in _operations(ADD):
        if isinstance(op, Search | SearchOr):
            tagged = [all(row[place] == bit for place, bit in op.key) for row in cells]
            key = _named(op.key)
        elif isinstance(op, Write):
            for row, hit in zip(cells, tagged, strict=True):
                row.update(dict(op.values) if hit else {})
            shown.append((f"{key}\n→ {_named(op.values)}", tagged, [_state(row) for row in cells]))
    return shown


def _named(places: tuple[tuple[tuple[int, int], int], ...]) -> str:
    names = {0: "C", 6: "a", 8: "r"}
    return " ".join(f"{names[column]}{domain if column else ''}={bit}" for (column, domain), bit in places)


def _state(row: dict[tuple[int, int], int]) -> str:
    return f"{row[0, 0]}  " + "".join(str(row[8, bit]) for bit in (2, 1, 0))


def _draw_addition(axes: Axes) -> None:
    width = 2.0
    before = [f"0  {r:03b}" for r, _ in ADD_ROWS]
    for number, (label, tagged, after) in enumerate(addition()):
        x = 3.2 + number * width
        axes.text(x + width / 2, -0.25, label.replace(" ", "\n"), ha="center", va="bottom", fontsize=7)
        for row, (hit, state) in enumerate(zip(tagged, after, strict=True)):
            flips = state != before[row]
            draw_cell(axes, x, row * 1.2, state, ORANGE if flips else FAINT if hit else "white", width * 0.94)
        before = after
    for row, (r, a) in enumerate(ADD_ROWS):
        axes.text(3.0, row * 1.2 + 0.5, f"r = {r}, a = {a}", ha="right", va="center")
        axes.text(3.3 + width * len(addition()), row * 1.2 + 0.5, f"r = {r + a}", va="center")
    axes.text(
        3.2, len(ADD_ROWS) * 1.2 + 0.6, "in each cell: C, then r from its top bit; orange: the pass changes this row"
    )
    without_axes(axes, 5 + width * len(addition()), len(ADD_ROWS) * 1.2 + 0.5)
    axes.set_ylim(len(ADD_ROWS) * 1.2 + 0.9, -4.2)


# --- shifts ----------------------------------------------------------------------------------------------------------


def offsets(text: str, column: int) -> list[int]:
    """The domain at a column's port before and after every micro-operation of an instruction."""
    path = [0]
    for op in _operations(text):
        path.append(path[-1] + (op.steps if isinstance(op, Shift) and op.column == column else 0))
    return path


def _draw_shifts(axes: Axes) -> None:
    for text, colour, style in (
        ("add c8.d12:6 c6.d4:4", BLUE, "-"),
        ("add c8.d12:6x c20.d4:4x", GREEN, "--"),
    ):
        path = offsets(text, 8)
        axes.step(range(len(path)), path, where="post", color=colour, linestyle=style, linewidth=1.8)
        axes.text(len(path) - 1, path[-1] + 0.3, f"r of {text}", ha="right", va="bottom", color=colour)
    axes.set_xlabel("micro-operation")
    axes.set_ylabel("domain at the port of column 8")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(0, 20)


ARRAY = Figure(
    "Rows and columns of nanowires",
    "Three columns and four rows of nanowires with six domains each. All nanowires of a column are shifted alike; the"
    " port of each shows one domain, another one in every column.",
    (8.5, 2.6),
    _draw_array,
)
FIELDS = Figure(
    "Two ways to lay out an integer",
    "Columns to the right, domains downwards. A field along a nanowire has its six bits in domains 1 to 6 of column 5;"
    " one across columns has them in domain 3 of columns 8 to 13. Columns 0 to 2 are flags.",
    (6.5, 3.6),
    _draw_fields,
)
ADDITION = Figure(
    "An addition in place, pass by pass",
    "Four rows, each with its own r and a. Each pass searches one state of carry, a and r and writes what changes in"
    " the rows that match. After nine passes every row holds r + a.",
    (8.5, 3.2),
    _draw_addition,
)
SHIFTS = Figure(
    "What an addition shifts",
    "The domain at the port during an addition of six bits. Along a nanowire it moves from domain 0 to 12 and on, a"
    " step a bit; across columns it moves once to domain 12 and stays.",
    (8.5, 2.6),
    _draw_shifts,
)


if __name__ == "__main__":
    for file, text in figures(example_program(Path(sys.argv[2]))).items():
        with atomic_write(Path(sys.argv[1]) / file) as temporary:
            temporary.write_text(text, encoding="utf-8")
