"""Assembly text of whole programs: an exact, editable form of an artifact (docs/assembly.md).

``parse_program(print_program(program))`` equals ``program`` in every field, byte for byte in an artifact.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TextIO

from ir.assembler import assemble
from ir.assembly_grammar import AssemblyError
from ir.disassembler import program_lines
from ir.program import Program
from ir.verify_program import ProgramError, verify_program

__all__ = ["AssemblyError", "parse_lines", "parse_program", "print_program", "write_program"]


def print_program(program: Program) -> str:
    """The whole text; for large programs rather ``write_program``."""
    out = io.StringIO()
    write_program(program, out)
    return out.getvalue()


def write_program(program: Program, out: TextIO) -> None:
    """Write the text to ``out``. Raises ir.verify_program.ProgramError for a malformed program."""
    verify_program(program)
    out.writelines(f"{line}\n" for line in program_lines(program))


def parse_program(text: str, name: str = "<text>") -> Program:
    """The inverse of ``print_program``. ``name``: what error messages call the text. Raises AssemblyError for a line
    that cannot be read, ir.verify_program.ProgramError for a program that breaks a rule."""
    return parse_lines(io.StringIO(text), name)


def parse_lines(lines: Iterable[str], name: str) -> Program:
    """The same for lines one by one, such as an open file."""
    program = assemble(lines, name)
    try:
        verify_program(program)
    except ProgramError as error:
        raise ProgramError(f"{name}: {error}") from error
    return program
