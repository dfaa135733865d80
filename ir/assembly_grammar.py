"""Lines and words of assembly text by their lark grammar (``assembly.lark``), as Python values."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, Tree, UnexpectedInput, UnexpectedToken

from ir.errors import UserError
from ir.isa import Field
from ir.operand_text import MNEMONICS
from ir.types import IntType

_FEW = 12
"""More alternatives than that are the beginning of a line."""
_NOT_WORDS = {"ADDRESS", "MNEMONIC"}
_PLAIN = {
    "INT": "a whole number",
    "STRING": 'a name in "quotes"',
    "FIELD": "a field such as c3.d0:8s",
    "$END": "nothing more",
}

Argument = tuple[str, Any]
"""(terminal name, value)"""


class AssemblyError(UserError):
    """Text that is not a program. ``ir.assembler`` puts the file and line in front of the message."""


class _Values(Transformer[Token, Any]):
    """Terminals to Python values. Argument terminals become (terminal name, value)."""

    INT = int
    FLOAT = float
    NAME = str
    BASE64 = str
    MNEMONIC = MNEMONICS.__getitem__

    def STRING(self, token: str) -> str:
        text: str = json.loads(token)
        text.encode()  # half a surrogate pair is a ValueError
        return text

    def ADDRESS(self, token: str) -> int:
        return int(token, 16)

    def TENSOR(self, token: str) -> int:
        return int(token[1:])

    def SHAPE(self, token: str) -> list[int]:
        return [int(size) for size in token.split("x")]

    def INTEGER_TYPE(self, token: str) -> IntType:
        return IntType(int(token[1:]), token[0] == "s")

    def FIELD(self, token: str) -> Argument:
        place, _, width = token[1:].partition(":")
        column, _, domain = place.partition(".d")
        return "FIELD", Field(int(column), int(domain), int(width.rstrip("sx")), "s" in width, "x" in width)

    def CONSTANT(self, token: str) -> Argument:
        return "CONSTANT", int(token[1:])

    def PAIR(self, token: str) -> Argument:
        first, second = token[1:].split(",")
        return "PAIR", (int(first), int(second))

    def SOURCE(self, token: str) -> Argument:
        tensor, _, channel = token[1:-1].partition("[")
        return "SOURCE", (int(tensor), int(channel))

    def MAP(self, token: str) -> Argument:
        return "MAP", int(token[4:])

    def PAD(self, token: str) -> Argument:
        return "PAD", int(token[4:])

    def BROADCAST(self, token: str) -> Argument:
        return "BROADCAST", (int(token[3:]), token[2] == "s")

    def FROM(self, token: str) -> Argument:
        return "FROM", int(token[5:])

    def AT(self, token: str) -> Argument:
        return "AT", int(token[3:])

    def FRESH(self, token: str) -> Argument:
        return "FRESH", True

    def true(self, children: list[Any]) -> bool:
        return True

    def false(self, children: list[Any]) -> bool:
        return False

    def null(self, children: list[Any]) -> None:
        return None

    def empty_table(self, children: list[Any]) -> dict[str, Any]:
        return {}

    def values(self, children: list[Any]) -> list[Any]:
        return children


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    text = Path(__file__).with_name("assembly.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", start=["start", "argument"], transformer=_Values(), maybe_placeholders=False)


def parse_line(line: str) -> Tree[Any]:
    """One line by the grammar alone: a tree ``instruction`` or one named after the directive, with Python values.

    Raises AssemblyError.
    """
    return _parse(line, "start").children[0]


def parse_argument(word: str) -> Argument:
    """One word of an instruction by the grammar. Raises AssemblyError."""
    return _parse(word, "argument")


def _parse(text: str, start: str) -> Any:
    try:
        return _grammar().parse(text, start=start)
    except UnexpectedInput as error:
        raise AssemblyError(_explain(text, error)) from error
    except (ValueError, OverflowError) as error:
        raise AssemblyError(str(error)) from error


def _explain(text: str, error: UnexpectedInput) -> str:
    column = max(error.column, 1) - 1
    while column and not text[column - 1].isspace():
        column -= 1  # a keyword may have matched the beginning of a longer word
    found = text[column:].split()[:1] if error.column > 0 else []
    accepted = error.accepts if isinstance(error, UnexpectedToken) else getattr(error, "allowed", None)
    word = found[0][:40] if found else ""
    return f"cannot read {word or 'the end of the line'!r}; expected {_expected(set(accepted or ()), word.lower())}"


def _expected(accepted: set[str], found: str) -> str:
    """The terminals that could stand there, as a reader knows them; where ``found`` is misspelt, what was meant."""
    choices = sorted(MNEMONICS) if "MNEMONIC" in accepted and len(accepted) == 1 else []
    if len(accepted) > _FEW:
        choices = sorted(name.lower() for name in accepted - _NOT_WORDS)
    close = get_close_matches(found, choices, n=1)
    if close:
        return f"{close[0]!r}, perhaps"
    if len(accepted) > _FEW:
        return "a directive or the address of an instruction (docs/assembly.md)"
    return " or ".join(choices or sorted(_PLAIN.get(name, name.lower()) for name in accepted)) or "nothing more"
