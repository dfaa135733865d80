"""How JSON reports name the program that they are of."""

from __future__ import annotations

import hashlib
from pathlib import Path


def program_reference(path: Path | None) -> dict[str, str | None]:
    """``program`` (the .apc file as it was named) and ``program_sha256`` (of its bytes); null without a file."""
    if path is None:
        return {"program": None, "program_sha256": None}
    return {"program": str(path), "program_sha256": file_sha256(path)}


def file_sha256(path: Path) -> str:
    """Hexadecimal. Raises OSError where the file cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
