"""`apc asm`: assembly text to a program."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from apc.cli import console
from apc.errors import ApcError
from apc.options import Progress
from apc.progress import progress

NAME = "asm"
HELP = "assemble text to an .apc program"
DESCRIPTION = """
Turns assembly text (docs/assembly.md) into a program that every other command takes. What `apc disasm` prints comes
back as the same bytes, so that a program can be edited as text: change a constant or an instruction, assemble, run.

The program is verified as a compiled one is; a mistake is reported with the file and the line it is on. Prints the
number of layers and instructions, and writes the program.
"""
EXAMPLES = (
    ("there and back again", "apc disasm digits.apc -o digits.asm"),
    ("assemble what was printed or edited", "apc asm digits.asm -o again.apc"),
    ("run it", "apc run again.apc --input digits_test.npz --labels digits_labels.npz"),
)
FAILS_WHEN = ""
SEE_ALSO = ("assembly.md", "json.md")

_LINES_A_STEP = 10_000
"""Of assembly text, between two steps of the progress."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("text", metavar="TEXT", type=Path, help="assembly text (docs/assembly.md)")
    parser.add_argument("-o", "--output", metavar="OUT.apc", type=Path, required=True, help="the program to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def _counted(lines: Iterable[str], size: int, update: Progress) -> Iterator[str]:
    """``lines`` of a file of ``size`` bytes. Progress counts MiB, of ASCII text."""
    read, mib = 0, 1 << 20
    for number, line in enumerate(lines):
        read += len(line)
        if number % _LINES_A_STEP == 0 and size > mib:
            update(read // mib, size // mib, "(MiB of text)")
        yield line


def run(args: argparse.Namespace) -> int:
    """Assembles and writes. Returns 0; raises UserError, with file and line, for text that is not a program."""
    from apc import artifact
    from apc.files import require_writable
    from ir.assembly import parse_lines

    require_writable(args.output, args.text)
    try:
        with progress("assembling") as update, args.text.open(encoding="utf-8") as lines:
            program = parse_lines(_counted(lines, args.text.stat().st_size, update), str(args.text))
    except UnicodeDecodeError as error:
        raise ApcError(f"{args.text}: not UTF-8 text") from error
    artifact.save(program, args.output)
    instructions = sum(len(tile.instructions) for layer in program.layers for tile in layer.tiles)
    if args.json:
        facts = {"name": program.name, "layers": len(program.layers), "instructions": instructions}
        console.emit_json("apc.asm/1", {"text": str(args.text), "output": str(args.output), **facts})
    else:
        print(f"{args.output}: {program.name}, {len(program.layers)} layers, {instructions:,} instructions")
    return 0
