"""Float ONNX network in, standard QDQ/QCDQ ONNX network out: ternary, binary or intN weights, N-bit activations."""

from __future__ import annotations

from apc.quantize.model import QuantizedModel, quantize_model

__all__ = ["QuantizedModel", "quantize_model"]
