"""Every operator against onnxruntime. All scales are powers of two, so that float32 is exact and equality is too."""

import numpy as np
import pytest
from onnx import TensorProto

from ir.ops import Conv, MaxPool, Pad, Requantise, SumPool
from tests.apc.frontend.models import Model
from tests.apc.frontend.oracle import compare


@pytest.mark.parametrize(
    ("weights", "attributes"),
    [
        ((4, 3, 3, 3), {}),
        ((4, 3, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
        ((4, 3, 3, 2), {"pads": [2, 1, 0, 1], "strides": [1, 3], "dilations": [2, 1]}),
        ((6, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
        ((3, 1, 5, 5), {"group": 3, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((4, 3, 2, 2), {"auto_pad": "SAME_LOWER"}),
        ((4, 3, 3, 3), {"auto_pad": "VALID"}),
    ],
)
@pytest.mark.parametrize("zero_point", [0, 3])
def test_conv(weights: tuple[int, ...], attributes: dict, zero_point: int) -> None:
    model = Model()
    x = model.quantise("x", 0.25, zero_point)
    scale = np.array([0.5, 0.25, 0.125] * 4)[: weights[0]].reshape(-1, 1, 1, 1)
    y = model.conv(x, *weights, scale=scale, bias=True, **attributes)
    y = model.quantise(model.node("Relu", y), 0.5)
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    convs = [op for op in map(loaded.graph.op, loaded.graph.order()) if isinstance(op, Conv)]
    assert len(convs) == 1 and np.abs(convs[0].weights).max() == 1


def test_conv_without_a_quantiser_behind_it_is_a_real_output() -> None:
    model = Model()
    y = model.conv(model.quantise("x"), 4, 3, 3, 3, scale=0.5, bias=True)
    compare(model.build(y), model.images(2, 3, 8, 8))


def test_conv_1d() -> None:
    model = Model()
    x = model.quantise("x", 0.25, 128)
    y = model.quantise(model.conv(x, 4, 3, 5, bias=True, pads=[2, 1], strides=[2], dilations=[2]), 0.5, 100)
    y = model.node("MaxPool", y, kernel_shape=[2], strides=[1])
    y = model.quantise(model.node("AveragePool", y, kernel_shape=[2], strides=[2]), 0.5, 100)
    y = model.node("GlobalAveragePool", y)
    loaded = compare(model.build(y, shape=("n", 3, 16)), model.images(3, 3, 16))
    assert loaded.graph.graph_inputs[0].shape == (None, 3, 16)


@pytest.mark.parametrize("trans", [0, 1])
def test_gemm_and_matmul(trans: int) -> None:
    model = Model()
    x = model.node("Flatten", model.quantise("x"))
    weights = model.ternary(7, 12)
    w = model.const(weights if trans else weights.T)
    y = model.node("Gemm", x, w, model.const(np.arange(7) / 8), transB=trans, alpha=0.5, beta=2.0)
    y = model.quantise(y, 0.5, 7)
    z = model.node("MatMul", y, model.const(model.ternary(5, 7).T))
    z = model.node("Add", model.const(np.arange(5) / 4), z)
    loaded = compare(model.build(y, z, shape=("n", 3, 2, 2)), model.images(3, 3, 2, 2))
    assert [out.shape for out in loaded.graph.outputs] == [(None, 7), (None, 5)]


def test_relu_before_and_behind_max_pool_fold_into_the_quantiser() -> None:
    model = Model()
    y = model.conv(model.quantise("x"), 4, 3, 3, 3)
    y = model.node("Relu", model.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    y = model.quantise(y, 0.5, clip=(0, 15))
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    kinds = [loaded.graph.op(name).kind for name in loaded.graph.order()]
    assert kinds == ["input", "conv", "requantise", "maxpool"]  # the narrow integers are pooled
    assert str(loaded.graph.type(loaded.graph.order()[-1]).dtype) == "u4"


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [0, 1, 1, 0]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        {"kernel_shape": [2, 2], "dilations": [2, 3]},
        {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]},
    ],
)
def test_max_pool(attributes: dict) -> None:
    model = Model()
    y = model.node("MaxPool", model.quantise("x", 0.25, 100), **attributes)
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    assert isinstance(loaded.graph.op(loaded.graph.outputs[0].node), MaxPool)


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2, 4], "strides": [2, 2]},
        {"kernel_shape": [2, 2], "pads": [1, 1, 0, 1], "count_include_pad": 1},
        {"kernel_shape": [4, 4], "strides": [4, 4], "ceil_mode": 1},
    ],
)
@pytest.mark.parametrize("zero_point", [0, 100])
def test_average_pool(attributes: dict, zero_point: int) -> None:
    model = Model()
    y = model.node("AveragePool", model.quantise("x", 0.25, zero_point), **attributes)
    compare(model.build(y, model.quantise(y, 0.5)), model.images(2, 3, 8, 8))


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("opset", [13, 18])
def test_means(keep: int, opset: int) -> None:
    model = Model(opset)
    x = model.quantise("x", 0.25, 3)
    given = {"axes": [-1, 2]} if opset < 18 else {}
    inputs = [] if opset < 18 else [model.const([2, -1], np.int64)]
    y = model.node("ReduceMean", x, *inputs, keepdims=keep, **given)
    z = model.node("GlobalAveragePool", x)
    loaded = compare(model.build(y, z, model.node("GlobalMaxPool", x)), model.images(2, 3, 8, 8))
    assert isinstance(loaded.graph.op(loaded.graph.outputs[0].node), SumPool)


def test_mean_of_a_flattened_map() -> None:
    model = Model()
    y = model.node("Reshape", model.quantise("x"), model.const([0, 3, -1], np.int64))
    y = model.node("ReduceMean", y, model.const([2], np.int64), keepdims=0)
    compare(model.build(y), model.images(2, 3, 8, 8))


def test_residual_addition_is_one_requantise_of_two_operands() -> None:
    model = Model()
    x = model.quantise("x", 0.25, 9)
    y = model.node(
        "BatchNormalization", model.conv(x, 3, 3, 3, 3, pads=[1] * 4), *_normalisation(model, 3), epsilon=0.0
    )
    y = model.quantise(model.node("Relu", model.node("Add", y, x)), 0.5, clip=(0, 15))
    y = model.quantise(model.node("Sub", y, x), 0.5, 100)
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    sums = [op for op in map(loaded.graph.op, loaded.graph.order()) if isinstance(op, Requantise)]
    assert [len(op.multipliers) for op in sums] == [2, 2]


def _normalisation(model: Model, channels: int) -> list[str]:
    """Scale, bias, mean and variance whose factor is a power of two of either sign."""
    gamma = np.where(np.arange(channels) % 2, -0.5, 2.0)
    variance = np.where(np.arange(channels) % 2, 4.0, 0.25)
    return [model.const(v) for v in (gamma, np.arange(channels) / 8, np.arange(channels) - 1, variance)]


def test_a_tensor_added_to_itself() -> None:
    model = Model()
    x = model.quantise("x")
    compare(model.build(model.quantise(model.node("Add", x, x), 0.25)), model.images(1, 3, 8, 8))


def test_sums_on_one_scale_need_no_quantiser() -> None:
    """Both operands were quantised alike (Brevitas): the sum, and a Relu behind it, are integers already."""
    model = Model()
    x = model.quantise("x", 0.25, 50)
    y = model.node("Relu", model.node("Add", model.quantise(model.conv(x, 3, 3, 1, 1), 0.25, 60, np.int8), x))
    y = model.quantise(model.conv(y, 2, 3, 1, 1), 1.0, 99)
    compare(model.build(y), model.images(2, 3, 8, 8))


def test_scalings_by_constants() -> None:
    model = Model()
    y = model.quantise("x", 0.25, 8)
    y = model.node("Mul", model.const([[[2.0]], [[-1.0]], [[0.5]]]), y)
    y = model.node("Add", y, model.const([[[[1.0]], [[0.25]], [[0.0]]]]))
    y = model.node("Sub", model.const(3.0), model.node("Div", model.node("Neg", y), model.const(4.0)))
    y = model.node("Sub", y, model.const(0.5))
    y = model.node("Clip", y, model.const(-0.5), model.const(2.75))
    compare(model.build(model.quantise(y, 0.125, 20)), model.images(2, 3, 8, 8))


def test_clamps_under_scalings_of_either_sign() -> None:
    model = Model()
    y = model.node("Relu", model.conv(model.quantise("x"), 4, 3, 1, 1))
    y = model.node("Neg", y)
    y = model.node("Clip", y, model.const(-3.0), model.const(-1.0))
    compare(model.build(model.quantise(y, 0.5, 90)), model.images(2, 3, 8, 8))


def test_concat_of_different_scales() -> None:
    model = Model()
    x = model.quantise("x", 0.25)
    y = model.quantise(model.conv(x, 4, 3, 3, 3, pads=[1] * 4), 1.0, 7)
    z = model.node("Concat", y, model.node("Relu", model.conv(x, 2, 3, 1, 1)), x, axis=1)
    narrow = model.quantise(z, 0.5, 3)
    pooled = model.quantise(model.node("MaxPool", model.node("Relu", z), kernel_shape=[2, 2]), 2.0)
    out = model.quantise(model.conv(narrow, 3, 9, 1, 1), 2.0, 100)
    compare(model.build(out, pooled), model.images(2, 3, 8, 8))


def test_concat_as_an_output_keeps_its_scales() -> None:
    model = Model()
    x = model.quantise("x", 0.25, 4)
    z = model.node("Concat", model.quantise(model.conv(x, 4, 3, 1, 1), 1.0, 7), x, axis=-3)
    loaded = compare(model.build(z), model.images(2, 3, 8, 8))
    assert loaded.graph.outputs[0].scale.tolist() == [1.0] * 4 + [0.25] * 3


@pytest.mark.parametrize("value", [0.0, 0.5])
@pytest.mark.parametrize("zero_point", [0, 5])
def test_pad_before_conv(value: float, zero_point: int) -> None:
    model = Model()
    x = model.node(
        "Pad",
        model.quantise("x", 0.25, zero_point),
        model.const([0, 0, 1, 2, 0, 0, 0, 1], np.int64),
        model.const(value),
    )
    loaded = compare(model.build(model.quantise(model.conv(x, 4, 3, 3, 3), 0.5, 99)), model.images(2, 3, 8, 8))
    kinds = [op for op in map(loaded.graph.op, loaded.graph.order()) if isinstance(op, Pad)]
    assert len(kinds) == (value != 0)  # zeros fold into the convolution, at the zero point


def test_pad_before_a_quantiser_a_relu_and_pools() -> None:
    model = Model()
    pads = model.const([1, 1, 0, 1], np.int64)
    axes = model.const([-1, 2], np.int64)
    y = model.node("Pad", model.conv(model.quantise("x"), 4, 3, 1, 1), pads, model.const(-1.5), axes)
    y = model.quantise(model.node("Relu", y), 0.5, 3)
    lowest = model.const(-np.inf)
    a = model.node("Pad", y, model.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64), lowest)
    a = model.node("MaxPool", a, kernel_shape=[3, 3], strides=[2, 2])
    b = model.node("Pad", y, model.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    b = model.node("AveragePool", b, kernel_shape=[2, 2])
    compare(model.build(y, a, b), model.images(2, 3, 8, 8))


def test_pad_of_the_real_input() -> None:
    model = Model()
    y = model.node("Pad", model.node("Relu", "x"), model.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    y = model.quantise(model.conv(model.quantise(y, 0.25, 3), 2, 3, 3, 3), 1.0, 100)
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    assert loaded.graph.type("x").lo.tolist() == [3, 3, 3]


def test_reshapes_that_keep_the_order() -> None:
    model = Model()
    x = model.quantise("x", 0.25, 4)
    y = model.quantise(model.conv(x, 4, 3, 3, 3), 0.5, 100)
    flat = model.node("Reshape", y, model.const([-1, 144], np.int64))
    back = model.node("Reshape", flat, model.const([0, 4, 6, 6], np.int64))
    out = model.node("Gemm", flat, model.const(model.ternary(5, 144)), transB=1)
    pooled = model.node("Squeeze", model.node("GlobalMaxPool", y), model.const([2, 3], np.int64))
    again = model.node("Unsqueeze", pooled, model.const([-1, 2], np.int64))
    later = model.quantise(model.node("Relu", model.node("Flatten", back)), 1.0)
    loaded = compare(model.build(out, pooled, again, later), model.images(2, 3, 8, 8))
    assert [out.shape for out in loaded.graph.outputs] == [(None, 5), (None, 4), (None, 4, 1, 1), (None, 144)]


def test_shape_arithmetic_on_the_batch() -> None:
    """Flatten as torchscript writes it: the batch is read from the tensor's own shape."""
    model = Model()
    y = model.quantise("x", 0.25, 4)
    batch = model.node("Gather", model.node("Shape", y), model.const(0, np.int64), axis=0)
    batch = model.node("Unsqueeze", batch, model.const([0], np.int64))
    shape = model.node("Concat", batch, model.const([-1], np.int64), axis=0)
    y = model.node("Gemm", model.node("Reshape", y, shape), model.const(model.ternary(5, 48)), transB=1)
    compare(model.build(y, shape=("n", 3, 4, 4)), model.images(3, 3, 4, 4))
    compare(model.build(y, shape=(2, 3, 4, 4)), model.images(2, 3, 4, 4))


def test_integer_input_and_output() -> None:
    model = Model()
    y = model.node("Mul", model.node("Cast", "x", to=TensorProto.FLOAT), model.const(1 / 128))
    y = model.quantise(model.conv(model.node("Sub", y, model.const(1.0)), 4, 3, 3, 3), 0.0625)
    scale, zero = model.const(0.5), model.const(0, np.uint8)
    q = model.node("QuantizeLinear", model.conv(y, 2, 4, 1, 1), scale, zero)
    pixels = model.random.integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    built = model.build(q, dtype=TensorProto.UINT8, output_dtype=TensorProto.UINT8)
    loaded = compare(built, {"x": pixels})
    assert loaded.graph.graph_inputs[0].scale is None
    assert loaded.graph.outputs[0].scale is None


def test_quantised_integers_may_be_pooled_and_reshaped() -> None:
    model = Model()
    scale, zero = model.const(0.25), model.const(7, np.uint8)
    q = model.node("QuantizeLinear", "x", scale, zero)
    q = model.node("MaxPool", q, kernel_shape=[2, 2], strides=[2, 2])
    q = model.node("Flatten", q)
    y = model.node("DequantizeLinear", q, scale, zero)
    compare(model.build(y), model.images(2, 3, 8, 8))


def test_identity_dropout_and_requantisation_to_the_same_levels_leave_no_trace() -> None:
    model = Model()
    x = model.node("Identity", model.quantise("x", 0.25, 4))
    y = model.node("Dropout", model.quantise(x, 0.25, 4), model.const(0.5), model.const(False, bool))
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    assert loaded.graph.order() == ["x"]


def test_equal_quantisers_share_a_node() -> None:
    model = Model()
    y = model.conv(model.quantise("x"), 4, 3, 1, 1)
    a, b = model.quantise(y, 0.5), model.quantise(y, 0.5)
    loaded = compare(model.build(a, b), model.images(2, 3, 8, 8))
    assert loaded.graph.outputs[0].node == loaded.graph.outputs[1].node


def test_dead_nodes_and_inputs_are_dropped() -> None:
    model = Model()
    y = model.quantise("x")
    model.node("Softmax", model.conv(y, 4, 3, 1, 1))
    loaded = compare(model.build(y), model.images(1, 3, 8, 8))
    assert len(loaded.graph) == 1


def test_per_channel_activation_scales() -> None:
    model = Model()
    y = model.conv(model.quantise("x"), 3, 3, 1, 1)
    scale, zero = model.const([0.25, 0.5, 1.0]), model.const([5, 5, 5], np.uint8)
    q = model.node("QuantizeLinear", y, scale, zero, axis=1)
    y = model.node("DequantizeLinear", q, scale, zero, axis=1)
    pooled = model.quantise(model.node("GlobalAveragePool", y), 0.125, 100)
    compare(model.build(y, pooled), model.images(2, 3, 8, 8))


def test_channels_that_are_constant() -> None:
    """A batch norm with a zero factor in one channel (pruned)."""
    model = Model()
    parts = [model.const(v) for v in ([0.0, 1.0, 2.0], [0.5, 0.25, -1.0], np.zeros(3), np.ones(3))]
    y = model.node("BatchNormalization", model.quantise("x"), *parts, epsilon=0.0)
    z = model.quantise(model.conv(model.quantise(y, 0.5, 9), 2, 3, 1, 1), 0.5, 100)
    compare(model.build(y, z), model.images(2, 3, 8, 8))


def test_a_concatenation_read_twice_is_made_once() -> None:
    model = Model()
    x = model.quantise("x")
    z = model.node("Concat", x, x, axis=1)
    a, b = (model.quantise(model.conv(z, 2, 6, 1, 1), 0.5) for _ in range(2))
    loaded = compare(model.build(a, b), model.images(2, 3, 8, 8))
    assert [loaded.graph.op(name).kind for name in loaded.graph.order()].count("concat") == 1


@pytest.mark.parametrize("seed", range(25))
def test_random_networks(seed: int) -> None:
    """Chains of random operators with scales that are powers of two: equal to onnxruntime in every bit."""
    model = Model(seed=seed)
    pick = model.random.integers
    y, channels, size = model.quantise("x", 0.25, int(pick(0, 60))), 3, 12
    for _ in range(int(pick(2, 6))):
        shortcut, before = y, (channels, size)
        for position in range(int(pick(1, 4))):
            match pick(0, 6):
                case 0 | 1:
                    kernel, stride = int(pick(1, 4)), int(pick(1, 3))
                    groups = channels if pick(0, 3) == 0 else 1
                    outputs = channels if groups > 1 else int(pick(1, 7))
                    scale = 2.0 ** pick(-3, 0, (outputs, 1, 1, 1))
                    settings = {"strides": [stride] * 2, "pads": [kernel // 2] * 4, "group": groups}
                    shape = (outputs, channels // groups, kernel, kernel)
                    if position == 0:
                        y = model.conv(y, *shape, scale=scale, bias=bool(pick(0, 2)), **settings)
                        channels, size = outputs, (size + 2 * (kernel // 2) - kernel) // stride + 1
                case 2:
                    y = model.node("Relu", y)
                case 3 if size > 3:
                    y = model.node("MaxPool", y, kernel_shape=[2, 2], strides=[1, 1])
                    size -= 1
                case 4:
                    y = model.node("Clip", y, model.const(-2.0), model.const(float(pick(1, 20))))
                case 5 if size > 3 and y == shortcut:
                    y = model.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2])
                    size //= 2
        y = model.quantise(y, 2.0 ** pick(-2, 2), int(pick(0, 99)), clip=(0, int(pick(100, 256))))
        if (channels, size) == before:
            y = model.quantise(model.node("Relu", model.node("Add", y, shortcut)), 0.5, int(pick(0, 50)))
    out = model.node("Flatten", model.node("GlobalAveragePool", y))
    out = model.node("Gemm", out, model.const(model.ternary(4, channels)), transB=1)
    compare(model.build(y, out, shape=("n", 3, 12, 12)), model.images(2, 3, 12, 12))
