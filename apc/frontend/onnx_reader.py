"""From a file, or a model in memory, to a checked ModelProto with all its data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx

from apc.frontend.values import Const
from ir.errors import UserError

OLDEST_OPSET, OLDEST_IR = 11, 4
_NARROW = {
    onnx.TensorProto.INT4,
    onnx.TensorProto.UINT4,
    onnx.TensorProto.INT2,
    onnx.TensorProto.UINT2,
}


def read_model(path: Path) -> tuple[onnx.ModelProto, str]:
    """The model of a file with its external data, and the SHA-256 of all the bytes read.

    Raises UserError for a missing, truncated or foreign file, missing or short external data, and versions that
    are not supported.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; give the path of an .onnx file") from error
    digest = hashlib.sha256(data)
    try:
        model = onnx.load_model_from_string(data)
    # protobuf's DecodeError, which comes from a package without type stubs, or whatever onnx makes of the bytes
    except Exception as error:
        raise UserError(
            f"{path}: is not an ONNX file, or is truncated; export or copy it again (an .apc file is compiled already)"
        ) from error
    if not model.ir_version or not model.HasField("graph") or not model.opset_import:
        raise UserError(f"{path}: is not an ONNX model (it has no graph or no version); export or copy it again")
    _load_external(model, path, digest)
    return model, digest.hexdigest()


def _load_external(model: onnx.ModelProto, path: Path, digest: hashlib._Hash) -> None:
    from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

    attributes = [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
    for tensor in (*model.graph.initializer, *attributes):
        if not uses_external_data(tensor):
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        file = path.parent / location
        if not location or not file.is_file():
            raise UserError(
                f"{path}: tensor {tensor.name}: its external data file {location or '(no name)'} is missing; put it"
                f" into {path.parent}"
            )
        try:
            load_external_data_for_tensor(tensor, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(f"{path}: tensor {tensor.name}: its external data cannot be read: {reason}") from error
        digest.update(tensor.raw_data)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def check_versions(model: onnx.ModelProto) -> dict[str, int]:
    """The opsets by domain. Raises UserError for an IR version or an ONNX opset that is not supported."""
    if not OLDEST_IR <= model.ir_version <= onnx.IR_VERSION:
        raise UserError(
            f"ONNX IR version {model.ir_version} is not supported, only {OLDEST_IR} to {onnx.IR_VERSION};"
            " export it again"
        )
    opsets = {("" if entry.domain == "ai.onnx" else entry.domain): entry.version for entry in model.opset_import}
    newest = onnx.defs.onnx_opset_version()
    opset = opsets.get("")
    if opset is None or not OLDEST_OPSET <= opset <= newest:
        raise UserError(
            f"ONNX opset {'(none)' if opset is None else opset} is not supported, only {OLDEST_OPSET} to {newest};"
            " export with opset_version=18"
        )
    return opsets


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own."""
    if not model.functions:
        return model
    from onnx.inliner import inline_local_functions

    return inline_local_functions(model)


def initializer(tensor: onnx.TensorProto) -> Const:
    """The array of an initializer; integers of 2 and 4 bits arrive as int8, bfloat16 as float32."""
    from onnx import numpy_helper

    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"tensor {tensor.name}: its data is damaged or of an unsupported type: {reason}") from error
    if array.shape != tuple(tensor.dims):
        raise UserError(f"tensor {tensor.name}: holds {array.shape}, its header says {tuple(tensor.dims)}")
    if tensor.data_type in _NARROW:
        return Const(array.astype(np.int8), name=tensor.name, element_type=tensor.data_type)
    if tensor.data_type == onnx.TensorProto.BFLOAT16:
        array = array.astype(np.float32)
    return Const(array, name=tensor.name)
