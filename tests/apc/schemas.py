"""The JSON Schemas of the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent.parent / "apc" / "schemas"


def schema(command: str) -> dict[str, Any]:
    """The schema of what `apc <command> --json` prints."""
    return json.loads((FOLDER / f"apc.{command}.json").read_text(encoding="utf-8"))
