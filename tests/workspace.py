"""A folder with everything that examples in help texts and pages of the documentation name.

The trained network is a file of the tests (tests/files/digits.onnx, what ``examples/digits.py`` exports), so that every
machine prints the same figures.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import apc

DIGITS = Path(__file__).parent / "files" / "digits.onnx"

FACTORY = '''"""Networks for `apc compile mynet:ternary` and `apc quantize mynet:build`."""

import torch
from torch import nn


class Float(nn.Module):
    """Two layers that `apc quantize` quantises."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8 * 8 * 8, 10)

    def forward(self, x):
        return self.head(torch.flatten(torch.relu(self.conv(x)), 1))


class Ternary(nn.Module):
    """Weights of -1, 0 and 1; inputs of eight bits."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight = nn.Parameter(torch.randint(-1, 2, (4, 1, 3, 3)).float())

    def forward(self, x):
        return nn.functional.conv2d(torch.fake_quantize_per_tensor_affine(x, 1 / 16, 0, 0, 255), self.weight)


def build():
    """A float network and an example of its input."""
    return Float(), torch.rand(1, 1, 8, 8)


def ternary():
    """A network that is quantised already, and an example of its input."""
    return Ternary(), torch.rand(1, 1, 8, 8)
'''


def workspace(folder: Path) -> Path:
    """Puts into ``folder``: digits.onnx, digits.apc, digits_test.npz (360 images, key "input") and digits_labels.npz
    (key "labels"); float.onnx (an unquantised network, input "x") and inputs.npz for it; mynet.py (``mynet:build`` a
    float, ``mynet:ternary`` a quantised PyTorch network). Returns ``folder``."""
    shutil.copytree(_made().name, folder, dirs_exist_ok=True)
    return folder


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """The files, made once a process and gone with it."""
    from examples.digits import load_data

    made = tempfile.TemporaryDirectory(prefix="apc-workspace-")
    folder = Path(made.name)
    shutil.copy(DIGITS, folder)
    apc.save(apc.compile(folder / "digits.onnx"), folder / "digits.apc")
    data = load_data()
    np.savez(folder / "digits_test.npz", input=data.test_images)
    np.savez(folder / "digits_labels.npz", labels=data.test_labels)
    onnx.save(_float_network(), folder / "float.onnx")
    np.savez(folder / "inputs.npz", x=data.train_images[:64])
    (folder / "mynet.py").write_text(FACTORY, encoding="utf-8")
    return made


def _float_network() -> onnx.ModelProto:
    """Two convolutions and a classifier of 8x8 images, weights drawn."""
    generator = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> TensorProto:
        return numpy_helper.from_array(generator.normal(0, 0.2, shape).astype(np.float32), name)

    constants = [weights("w0", 8, 1, 3, 3), weights("w1", 16, 8, 3, 3), weights("w2", 10, 16), weights("b2", 10)]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c0"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["h0"]),
        helper.make_node("Conv", ["h0", "w1"], ["c1"], name="second", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["h1"]),
        helper.make_node("GlobalAveragePool", ["h1"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["y"], name="classifier", transB=1),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])]
    graph = helper.make_graph(nodes, "float", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
