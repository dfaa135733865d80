"""The tables of docs/crossbar.md and docs/acim.md: every field of an array's configuration, from its JSON schema.

python -m apc.report.config_page docs/crossbar.md docs/acim.md
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from apc.files import atomic_write
from apc.report.markdown import replaced, table
from simulator.analog.acim.config import AcimConfig
from simulator.analog.config import CrossbarConfig

Config = AcimConfig | CrossbarConfig

PAGES: dict[str, type[Config]] = {"acim.md": AcimConfig, "crossbar.md": CrossbarConfig}
"""Which configuration each page describes."""


def renewed(page: str, config: type[Config]) -> str:
    """The page with its table made again."""
    return replaced(page, "fields", fields_table(config))


def fields_table(config: type[Config]) -> str:
    """Field, default, what it may be, what it means."""
    properties, defaults = config.json_schema()["properties"], vars(config())
    rows = [
        (
            f"`{name}`",
            _shown(defaults[name]),
            _allowed(properties[name]),
            properties[name].get("description", "").replace("|", "\\|"),
        )
        for name in defaults
    ]
    return table(("field", "default", "values", "meaning"), rows)


def _allowed(schema: dict[str, Any]) -> str:
    """Short words for a part of a JSON schema."""
    if "anyOf" in schema:
        return ", or ".join(_allowed(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "properties" in schema:
        return "{" + ", ".join(schema["properties"]) + "}"
    kind = schema["type"]
    if kind == "array":
        return "[low, high]" if schema["items"].get("type") == "number" else "list of [low, high]"
    if kind == "string":
        return "path of a .csv file"
    low = f"above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else ""
    if "minimum" in schema:
        low = f"from {schema['minimum']:g}"
    high = f"to {schema['maximum']:g}" if "maximum" in schema else ""
    words = {"integer": "whole number", "number": "number", "boolean": "true, false"}[kind]
    return " ".join(part for part in (words, low, high) if part)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).replace("(", "[").replace(")", "]")


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        text = renewed(path.read_text(encoding="utf-8"), PAGES[path.name])
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
