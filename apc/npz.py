"""Arrays in .npz files: network inputs, outputs and calibration data."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from apc.files import atomic_write
from ir.errors import UserError


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file. Raises UserError where it is not one; pickled objects are refused."""
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise UserError(f"{path}: is a single array, not an .npz archive: save it with numpy.savez(path, name=x)")
        with archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path}: cannot be read as an .npz archive of plain arrays; save it with numpy.savez(path, NAME=array)"
        ) from None


def write_npz(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name, under a temporary name first."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
