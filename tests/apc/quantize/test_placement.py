"""Where quantisers go, on small graphs in ONNX's text form."""

from __future__ import annotations

import numpy as np
import onnx

from apc.quantize.normalise import normalise
from apc.quantize.onnx_graph import OnnxGraph
from apc.quantize.placement import Placement
from tests.apc.quantize.models import parse, residual_net

WEIGHT = np.ones((2, 2, 1, 1), np.float32)
Found = dict[str, tuple[int | None, bool | None]]


def points(model: onnx.ModelProto, wide_last: bool = True) -> Found:
    """{tensor: (bits or None for the default, non-negative)}."""
    graph = OnnxGraph(model)
    normalise(graph)
    return {point.tensor: (point.bits, point.non_negative) for point in Placement(graph).points(wide_last)}


def test_a_residual_block() -> None:
    assert points(residual_net()) == {
        "x": (8, None),
        "stem_relu": (None, True),
        "a_relu": (None, True),
        "b": (None, False),
        "sum_relu": (None, True),
        "average": (8, True),
        "y": (8, False),
    }


def test_the_average_has_default_bits_where_the_last_layer_is_not_wide() -> None:
    assert points(residual_net(), wide_last=False)["average"] == (None, True)


def test_a_downsampling_block_quantises_both_branches() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 2, 2, 2] y) {
            r = Relu (x)
            a = Conv <strides = [2, 2]> (r, w)
            d = Conv <strides = [2, 2]> (r, w)
            s = Add (a, d)
            y = Relu (s)
        }""",
        w=WEIGHT,
    )
    expected = {"x": (8, None), "r": (None, True), "a": (None, False), "d": (None, False), "y": (8, True)}
    assert points(model) == expected


def test_bias_additions_and_separate_batch_norm_belong_to_their_layer() -> None:
    model = parse(
        """g (float[1, 2] x) => (float[1, 2] y) {
            m = MatMul (x, w)
            b = Add (m, bias)
            c = Clip (b, zero, six)
            y = MatMul (c, w)
        }""",
        w=np.eye(2, dtype=np.float32),
        bias=np.ones(2, np.float32),
        zero=np.float32(0),
        six=np.float32(6),
    )
    assert points(model) == {"x": (8, None), "c": (None, True), "y": (8, False)}


def test_concatenated_tensors_share_a_group() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) {
            r = Relu (x)
            a = Conv (r, w)
            b = Conv (r, w)
            e = Conv (r, w)
            c = Concat <axis = 1> (a, b)
            d = Concat <axis = 1> (c, e)
            y = Conv (d, v)
        }""",
        w=WEIGHT,
        v=np.ones((2, 6, 1, 1), np.float32),
    )
    found = {point.tensor: point.group for point in Placement(OnnxGraph(model)).points(True)}
    assert set(found) == {"x", "r", "a", "b", "e", "y"}
    assert found["a"] == found["b"] == found["e"]
    assert len({found[name] for name in "xray"}) == 4


def test_existing_quantisers_are_left_alone() -> None:
    model = parse(
        """g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) {
            q = QuantizeLinear (x, s, z)
            d = DequantizeLinear (q, s, z)
            p = MaxPool <kernel_shape = [1, 1]> (d)
            c = Conv (p, w)
            y = Conv (c, w)
        }""",
        w=WEIGHT,
        s=np.float32(0.5),
        z=np.uint8(0),
    )
    assert points(model) == {"c": (None, False), "y": (8, False)}
    assert Placement(OnnxGraph(model)).non_negative("p")


def test_outputs_that_only_move_values_are_quantised_where_they_are_computed() -> None:
    model = parse(
        "g (float[1, 2, 1, 1] x) => (float[1, 2] y) { c = Conv (x, w)  y = Flatten (c) }",
        w=WEIGHT,
    )
    assert points(model) == {"x": (8, None), "c": (8, False)}
