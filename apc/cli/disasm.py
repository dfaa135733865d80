"""`apc disasm`: a program as assembly text, which `apc asm` turns back into the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from apc.cli import console
from apc.cli.arguments import load_program
from apc.progress import progress

NAME = "disasm"
HELP = "print a program as assembly text"
DESCRIPTION = """
Prints the whole program as text (docs/assembly.md): target, tensors, layers, tiles and every instruction. `apc asm`
turns the text back into the same bytes, and an edited text into another program.

For reading rather than editing, `apc inspect --level macro` is the better listing: it names the operands and counts
what each instruction takes. A large program is some hundred megabytes of text: write it to a file with -o.
"""
EXAMPLES = (
    ("the whole program, on the terminal", "apc disasm digits.apc"),
    ("to a file, for an editor", "apc disasm digits.apc -o digits.asm"),
)
FAILS_WHEN = ""
SEE_ALSO = ("assembly.md", "json.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("program", metavar="OUT.apc", type=Path, help="what `apc compile -o` wrote")
    parser.add_argument("-o", "--output", metavar="TEXT", type=Path, help="write the text to a file, not to stdout")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Prints or writes the text. Returns 0; raises UserError for a damaged program."""
    from apc.files import atomic_write, require_writable
    from ir.assembly import print_program, write_program

    require_writable(args.output, args.program)
    program = load_program(args.program)
    if args.output is not None:
        with (
            progress(f"writing {args.output.name}"),
            atomic_write(args.output) as temporary,
            temporary.open("w", encoding="utf-8") as out,
        ):
            write_program(program, out)
    if args.json:
        output = None if args.output is None else str(args.output)
        text = print_program(program) if args.output is None else None
        console.emit_json("apc.disasm/1", {"program": str(args.program), "output": output, "text": text})
    elif args.output is None:
        write_program(program, sys.stdout)
    return 0
