"""A small quantised network as an ONNX file, for tests of the driver and the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tests.apc.frontend.models import Model


def small_model(batch: int | str = "n") -> onnx.ModelProto:
    """A ternary convolution with a residual addition and a classifier; input x (batch, 2, 6, 6), output t<i>."""
    model = Model(seed=3)
    x = model.quantise("x", zero_point=8)
    a = model.quantise(model.node("Relu", model.conv(x, 4, 2, 3, 3, pads=[1, 1, 1, 1])), clip=(0, 15))
    b = model.quantise(model.conv(a, 4, 4, 3, 3, pads=[1, 1, 1, 1]), dtype=np.int8, clip=(-8, 7))
    c = model.quantise(model.node("Relu", model.node("Add", a, b)), clip=(0, 15))
    pooled = model.node("Flatten", model.quantise(model.node("GlobalAveragePool", c)))
    y = model.quantise(model.node("Gemm", pooled, model.const(model.ternary(3, 4)), transB=1), dtype=np.int8)
    return model.build(y, shape=(batch, 2, 6, 6))


def images(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).integers(-20, 40, (count, 2, 6, 6)) / 8).astype(np.float32)


def save(folder: Path, count: int = 3) -> tuple[Path, Path]:
    """The model and an input file in ``folder``."""
    onnx.save(small_model(), folder / "m.onnx")
    np.savez(folder / "x.npz", x=images(count))
    return folder / "m.onnx", folder / "x.npz"
