"""Readers of foreign models: ONNX files and PyTorch modules, to the integer graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ir.errors import UserError
from ir.graph import Graph

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch


@dataclass
class LoadedModel:
    """``onnx_model`` is the quantised model that was imported (what a check with onnxruntime runs); ``warnings`` are
    one line each."""

    graph: Graph
    model_bytes_sha256: str
    onnx_model: onnx.ModelProto
    warnings: list[str] = field(default_factory=list)


def load_graph(
    source: str | Path | torch.nn.Module | onnx.ModelProto,
    *,
    example: Any = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    ternary_tolerance: float = 0.0,
    calibration: Mapping[str, np.ndarray] | None = None,
    activations: int = 4,
) -> LoadedModel:
    """Import a model: the path of an .onnx file, "package.module:factory", an nn.Module with its ``example`` input,
    or a ModelProto.

    ``input_shapes``: full shapes of inputs with symbolic axes, by name. ``ternary_tolerance``: how far, in units of
    a channel's scale, weights may lie from ternary. A network whose activations are real gets quantisers of
    ``activations`` bits, from ``calibration`` (arrays by input name). Raises UserError.
    """
    model, digest, where = _read(source, example)
    try:
        return _import(model, digest, input_shapes, ternary_tolerance, calibration, activations)
    except UserError as error:
        if where and not str(error).startswith(where):
            raise type(error)(f"{where}: {error}") from error
        raise


def _read(source: str | Path | torch.nn.Module | onnx.ModelProto, example: Any) -> tuple[onnx.ModelProto, str, str]:
    """The model, its hash, and what to call it in errors."""
    import hashlib

    import onnx

    from apc.frontend.onnx_reader import read_model
    from apc.frontend.torch_export import call_factory, export, is_factory

    if isinstance(source, onnx.ModelProto):
        return source, hashlib.sha256(source.SerializeToString(deterministic=True)).hexdigest(), ""
    if isinstance(source, str | Path) and not (isinstance(source, str) and is_factory(source)):
        model, digest = read_model(Path(source))
        return model, digest, str(source)
    where = source if isinstance(source, str) else type(source).__name__
    module, argument = call_factory(source) if isinstance(source, str) else (source, example)
    assert not isinstance(module, Path)
    model = export(module, argument)
    return model, hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest(), where


def _import(
    model: onnx.ModelProto,
    digest: str,
    input_shapes: Mapping[str, Sequence[int]] | None,
    ternary_tolerance: float,
    calibration: Mapping[str, np.ndarray] | None,
    activations: int,
) -> LoadedModel:
    from apc.frontend.importer import Importer
    from apc.frontend.node import NotQuantised

    importer = Importer(model, input_shapes, ternary_tolerance)
    try:
        graph = importer.run()
    except NotQuantised as error:
        if importer.quantises_activations():
            raise NotQuantised(f"{error}; quantise every activation, for instance with `apc quantize`") from error
        importer.refuse_unsupported()  # before the quantiser runs the model, which would say less
    else:
        warnings = importer.builder.warnings
        if calibration is not None:
            warnings.append("the calibration data is not used: the model's activations are quantised already")
        return LoadedModel(graph, digest, importer.compiled_model(), warnings)

    importer = Importer(
        _with_quantisers(importer.compiled_model(), calibration, activations), input_shapes, ternary_tolerance
    )
    graph = importer.run()
    warnings = importer.builder.warnings
    if calibration is None:
        warnings.append(
            f"the activations are real: they were quantised to {activations} bits without calibration data, so the"
            " accuracy may be poor; give --calibration X.npz"
        )
    return LoadedModel(graph, digest, importer.compiled_model(), warnings)


def _with_quantisers(
    model: onnx.ModelProto, calibration: Mapping[str, np.ndarray] | None, activations: int
) -> onnx.ModelProto:
    """The model with its real activations quantised."""
    from apc.quantize import quantize_model

    arrays = None if calibration is None else dict(calibration)
    return quantize_model(model, weights="keep", activations=activations, calibration=arrays).model
