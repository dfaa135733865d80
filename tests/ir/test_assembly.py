import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apc.artifact import to_bytes
from ir.assembly import AssemblyError, parse_program, print_program
from ir.assembly_grammar import parse_line
from ir.disassembler import instruction_lines
from ir.expand import operand_fields
from ir.isa import OPERANDS, Op
from ir.operand_text import ConstantPool, GatherPool
from ir.program import Program
from ir.verify_program import ProgramError
from tests.programs import programs, tiny_program

ROOT = Path(__file__).parent.parent.parent


def example() -> str:
    """The example of docs/assembly.md, with a target."""
    page = (ROOT / "docs" / "assembly.md").read_text(encoding="utf-8")
    text = page.split("```asm\n")[1].split("```")[0]
    target = tiny_program().target
    lines = [
        f"target {section}.{key} = {json.dumps(value)}"
        for section in ("array", "wire", "features", "timing", "energy", "device")
        for key, value in target[section].items()
    ]
    lines += [f'target name = "{target["name"]}"', 'target description = "for the example"']
    lines += [
        f"target sources.{section}.{key}.{part} = {json.dumps(value)}"
        for section, entries in target["sources"].items()
        for key, origin in entries.items()
        for part, value in origin.items()
    ]
    return text + "\n".join(lines)


def test_the_page_s_example_runs() -> None:
    from simulator.rtm.run import run_program

    program = parse_program(example())
    x = np.random.default_rng(0).integers(0, 16, (3, 2, 4, 4))
    result = run_program(program, {"x": x}, engine="reference")
    assert np.array_equal(result.tensors[1], np.clip(x[:, :1] - x[:, 1:] + 1, -16, 15))


def test_the_page_names_every_directive_and_instruction() -> None:
    page = (ROOT / "docs" / "assembly.md").read_text(encoding="utf-8")
    grammar = (ROOT / "ir" / "assembly.lark").read_text(encoding="utf-8")
    directives = re.findall(r'^\??(?:directive:|    \|) "(\w+)"', grammar, re.MULTILINE)
    assert len(directives) > 20
    for word in [*directives, *(op.name.lower() for op in Op)]:
        assert re.search(rf"`{word}\b", page), word


def test_tiny_program_comes_back() -> None:
    program = tiny_program()
    assert to_bytes(parse_program(print_program(program))) == to_bytes(program)


@settings(max_examples=60)
@given(programs())
def test_programs_come_back(program: Program) -> None:
    assert to_bytes(parse_program(print_program(program))) == to_bytes(program)


@settings(max_examples=60)
@given(programs())
def test_the_fast_path_reads_what_the_grammar_reads(program: Program) -> None:
    """Every printed instruction, by the grammar alone, has the operands that its record has."""
    tile = program.layers[0].tiles[0]
    for record, line in zip(tile.instructions, instruction_lines(tile, 0, len(tile.instructions)), strict=True):
        tree = parse_line(line)
        _, op, *arguments = tree.children
        fields = operand_fields(record)
        assert op == Op(int(record["op"]))
        names = OPERANDS[op][0]
        assert arguments[: len(names)] == [("FIELD", fields[name]) for name in names]


_WORDS = [
    *("add", "subo", "const", "gather", "clamp", "extend", "0x0000", "0xg", "c3.d0:4", "c4.d0:4s", "c5.d0:4x", "c6.d0"),
    *("#3", "#-1,4", "#", "t0[1]", "map=0", "map=", "pad=-1", "at=0", "from=2", "fresh", "fres", "c3.d0:4,", "ADD"),
]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6), st.sampled_from([" ", "  ", "\t", "\u00a0"]))
def test_what_the_assembler_accepts_the_grammar_accepts(words: list[str], space: str) -> None:
    line = space.join(words)
    lines = print_program(tiny_program()).split("\n")
    text = "\n".join([*lines[:-1], line])
    try:
        parse_program(text)
    except (AssemblyError, ProgramError):
        return
    assert parse_line(line).data == "instruction"


def test_editing_by_hand() -> None:
    text = print_program(tiny_program())
    edited = text.replace("#-3\n", "#-4 ; was -3\n").replace(
        "0x0004  add     c6.d0:8s      c3.d0:4", "sub c6.d0:8s c3.d0:4"
    )
    program = parse_program(edited)
    tile = program.layers[0].tiles[0]
    assert tile.constants.tolist() == [-4, 0, 15]
    assert [Op(op).name for op in tile.instructions["op"][3:5]] == ["CONST", "SUB"]


def test_tables_that_instructions_do_not_imply_are_declared() -> None:
    program = tiny_program()
    tile = program.layers[0].tiles[0]
    tile.constants = np.array([9, -3, -3, 0, 15])
    tile.instructions["imm"][3] = 2
    tile.instructions["imm"][7] = 3
    tile.gathers = tile.gathers[[2, 1, 0, 0]]
    tile.instructions["imm"][:3] = [3, 1, 0]
    text = print_program(program)
    assert "    constants 9 -3 -3 0 15\n" in text
    assert "#-3 at=2\n" in text
    assert text.count("    gathers t0[0] map=0 pad=0\n") == 2
    assert to_bytes(parse_program(text)) == to_bytes(program)


def test_pools_find_the_first_equal_entry() -> None:
    constants = ConstantPool([5, 7, 5, 7])
    assert (constants.single(7), constants.pair(5, 7), constants.pair(7, 5), constants.single(1)) == (1, 0, 1, 4)
    assert constants.pair(1, 2) == 5
    assert constants.values == [5, 7, 5, 7, 1, 1, 2]
    gathers = GatherPool([(0, 0, 0, 0), (0, 0, 0, 0)])
    assert (gathers.find((0, 0, 0, 0)), gathers.find((0, 1, 0, 0))) == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("format 1", "format 2", "format 2 is not 1"),
        ("format 1\n", "", "without a line 'format'"),
        ('program "tiny"', 'program "tiny', "cannot read"),
        ('program "tiny"', 'program "ti\\ud800ny"', "surrogates not allowed"),
        ('level "O0"', 'level "O0"\nlevel "O0"', "a second line 'level'"),
        ("tensor t1", "tensor t3", "tensor 3 stands where tensor 1 must"),
        ("channel u4", "channel c3.d0:4 tile 0", "channels of inputs"),
        ("channel u4", "channel u64", "1 to 63 bits"),
        ("channel c7.d16:4 tile 0", "channel c7.d16:4 tile 65536", "columns and tiles go to 65535"),
        ("scale float32 [0.1", "scale float16 [0.1", "float16 is not"),
        ("zero_point int64 [0]", "zero_point int64 [0.5]", "must be of int64"),
        ("  tile 1\n", "  tile 2\n", "tile 2 stands where tile 1 must"),
        ("c3.d0:4       t0[0] map=0 pad=0", "c3.d0:4 t0[0] map=0", "gather takes source map pad"),
        ("c3.d0:4       t0[0] map=0 pad=0", "c3.d0:4 t0[0] map=0 pad=3000000000", "more than 32 bits"),
        ("sub     c6.d0:8s      c4.d0:4", "sub c6.d0:8s", "sub has 2 field operands"),
        ("sub     c6.d0:8s      c4.d0:4", "sub c6.d0:8s #3", "operand a must be a field"),
        ("sub     c6.d0:8s      c4.d0:4", "sub c6.d0:8s c4.d0:4 c5.d0:4", "sub takes nothing after"),
        ("sub     c6.d0:8s      c4.d0:4", "sbu c6.d0:8s c4.d0:4", "cannot read 'sbu'; expected 'sub', perhaps"),
        ("c6.d0:8s      c4.d0:4", "c70000.d0:8s c4.d0:4", "columns go to 65535"),
        ("#-3\n", "#9999999999999999999\n", "more than 64 bits"),
        ("#-3\n", "#-3 at=1\n", "entry 1 of the tile's table does not hold"),
        ("from=5", "from=256", "widths go to 255"),
        ("0x0004  add", "0x000G  add", "cannot read"),
        ("onnx ", "onnx A", "the 'onnx' lines are damaged"),
        ("  row_map 1 ", "  row_map 4 ", "row_map 4 stands where row_map 1 must"),
        ("target array.rows = ", "target array = 3\ntarget array.rows = ", "array"),
    ],
)
def test_mistakes_name_the_line(old: str, new: str, reason: str) -> None:
    text = print_program(tiny_program())
    assert old in text
    with pytest.raises(AssemblyError) as caught:
        parse_program(text.replace(old, new, 1), "net.asm")
    assert re.match(r"net\.asm:\d+: ", str(caught.value))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_line_number_is_right() -> None:
    text = print_program(tiny_program())
    number = text[: text.index("#0,15")].count("\n") + 1
    with pytest.raises(AssemblyError, match=rf"^net\.asm:{number}: "):
        parse_program(text.replace("#0,15", "#0;15", 1), "net.asm")


def test_a_program_that_breaks_a_rule_is_refused() -> None:
    text = print_program(tiny_program())
    with pytest.raises(
        ProgramError, match=r"layer 0 \(conv\) tile 0 instruction 0x0005: operands r and a share a column"
    ):
        parse_program(text.replace("c6.d0:8s      c4.d0:4", "c6.d0:8s c6.d9:4", 1))


def test_target_values_of_every_kind() -> None:
    program = tiny_program()
    program.target["odd key"] = {"list": [1, 2.5, "x", True, None], "empty": {}, "tiny": 1e-300, "huge": 1e22}
    assert parse_program(print_program(program)).target == program.target
