"""`apc asm`: assembly text to a program."""

from __future__ import annotations

import argparse
from pathlib import Path

from apc.cli import console
from apc.errors import ApcError

NAME = "asm"
HELP = "assemble text to an .apc program"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("text", metavar="TEXT", type=Path, help="assembly text (docs/assembly.md)")
    parser.add_argument("-o", "--output", metavar="OUT.apc", type=Path, required=True, help="the program to write")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Assembles and writes. Returns 0; raises UserError, with file and line, for text that is not a program."""
    from apc import artifact
    from apc.files import require_writable
    from ir.assembly import parse_lines

    require_writable(args.output, args.text)
    try:
        with args.text.open(encoding="utf-8") as lines:
            program = parse_lines(lines, str(args.text))
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
