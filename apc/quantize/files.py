"""Reading a model and calibration arrays, with one-line errors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx.checker import ValidationError

from ir.errors import UserError


def load_model(path: str | Path) -> onnx.ModelProto:
    """The ONNX model in ``path``, external data included. UserError where it is missing, truncated or not ONNX."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not an ONNX file, or truncated; export it again") from error
    if not model.graph.node or not model.opset_import:
        raise UserError(f"{path}: holds no ONNX graph; export it again")
    try:
        onnx.load_external_data_for_model(model, str(Path(path).resolve().parent))
        onnx.checker.check_model(model)
    except (OSError, ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{path}: not a valid model: {reason}") from error
    return model


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name. UserError where it is missing, damaged or holds Python objects."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if isinstance(archive, np.ndarray):
                raise UserError(f"{path}: holds one array without a name; save it with numpy.savez(path, NAME=array)")
            return {name: archive[name] for name in archive.files}
    except UserError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a readable .npz file ({reason})") from error
