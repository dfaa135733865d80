"""`apc disasm`: a program as assembly text, which `apc asm` turns back into the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from apc.cli import console

NAME = "disasm"
HELP = "print a program as assembly text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument("-o", "--output", metavar="TEXT", type=Path, help="write the text to a file, not to stdout")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Prints or writes the text. Returns 0; raises UserError for a damaged program."""
    from apc import artifact
    from apc.files import atomic_write, require_writable
    from ir.assembly import print_program, write_program

    require_writable(args.output, args.program)
    program = artifact.load(args.program)
    if args.output is not None:
        with atomic_write(args.output) as temporary, temporary.open("w", encoding="utf-8") as out:
            write_program(program, out)
    if args.json:
        output = None if args.output is None else str(args.output)
        text = print_program(program) if args.output is None else None
        console.emit_json("apc.disasm/1", {"program": str(args.program), "output": output, "text": text})
    elif args.output is None:
        write_program(program, sys.stdout)
    return 0
