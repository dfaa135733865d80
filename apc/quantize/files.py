"""Reading calibration arrays, with one-line errors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ir.errors import UserError


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name. UserError where it is missing, damaged or holds Python objects."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise UserError(f"{path}: holds one array without a name; save it with numpy.savez(path, NAME=array)")
        with archive:
            return {name: archive[name] for name in archive.files}
    except UserError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a readable .npz file ({reason})") from error
