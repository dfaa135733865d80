"""Configurations as tables of TOML and JSON."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from ir.errors import UserError


@dataclass(frozen=True)
class ConfigTable:
    """A configuration whose fields are those of a table. ``error``: what is raised for a bad one."""

    error: ClassVar[type[UserError]] = UserError

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str) -> Self:
        """The configuration that a table of TOML or JSON describes. ``where`` (a file, a section) begins the message of
        every error."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in table:
            if name not in known:
                raise cls.error(
                    f"{where}: unknown field {name!r} = {table[name]!r}: use one of {', '.join(sorted(known))}"
                )
        try:
            return cls(**table)
        except cls.error as error:
            raise cls.error(f"{where}: {error}") from None

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """The configuration in a TOML file."""
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise cls.error(f"{path}: cannot be read as TOML ({error}): give a readable file") from None
        return cls.from_table(table, str(path))

    def as_table(self) -> dict[str, Any]:
        """All fields, as JSON and TOML hold them: no None, and infinity is ``"inf"``."""
        return {name: _plain(value) for name, value in vars(self).items() if value is not None}


def schema_of_table(kind: type[ConfigTable], properties: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of the table of a ``kind`` of configuration, whose docstring describes it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.__name__,
        "description": (kind.__doc__ or "").split("\n\n")[0].replace("\n    ", " "),
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(item) for name, item in vars(value).items() if item is not None}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return "inf" if isinstance(value, float) and math.isinf(value) else value
