"""What is not supported is refused in one line that names node, operator and reason."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from apc.frontend import load_graph
from ir.errors import UserError
from tests.apc.frontend.models import QONNX, Model

Make = Callable[[Model], str]


def conv_of(model: Model) -> str:
    return model.conv(model.quantise("x"), 4, 3, 3, 3, scale=np.array([0.5, 0.25, 1, 2]).reshape(4, 1, 1, 1))


def with_weights(weights: np.ndarray) -> Make:
    return lambda model: model.node("Conv", model.quantise("x"), model.const(weights, name="body.weight"))


def after(op_type: str, *constants: object, first: bool = True, **attributes: object) -> Make:
    """One node over quantised 4-channel features; constants are its other inputs."""

    def make(model: Model) -> str:
        x = model.quantise(conv_of(model), 0.5)
        others = [model.const(value, np.asarray(value).dtype) for value in constants]
        return model.node(op_type, *([x, *others] if first else [*others, x]), **attributes)

    return make


def pending(op_type: str, *constants: object, **attributes: object) -> Make:
    """One node right behind a convolution, before a quantiser."""

    def make(model: Model) -> str:
        x = conv_of(model)
        others = [model.const(value, np.asarray(value).dtype) for value in constants]
        return model.quantise(model.node(op_type, x, *others, **attributes), 0.5)

    return make


def quant(scale: object = 0.5, zero: object = 0.0, bits: object = 4.0, **attributes: object) -> Make:
    def make(model: Model) -> str:
        parts = model.const(scale), model.const(zero), model.const(bits)
        settings = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"} | attributes
        return model.node("Quant", conv_of(model), *parts, domain=QONNX, **settings)

    return make


def linear(scale: object, zero: object, dtype: type = np.uint8, **attributes: object) -> Make:
    def make(model: Model) -> str:
        return model.node("QuantizeLinear", conv_of(model), model.const(scale), model.const(zero, dtype), **attributes)

    return make


def relu_then_batch_norm(model: Model) -> str:
    y = model.node("Relu", conv_of(model))
    parts = [model.const(v) for v in ([1, -1, 2, 1], [1, 2, 3, 4], np.zeros(4), np.ones(4))]
    return model.quantise(model.node("BatchNormalization", y, *parts), 0.5)


def relu_then_bipolar(model: Model) -> str:
    return model.node("BipolarQuant", model.node("Relu", conv_of(model)), model.const(0.5), domain=QONNX)


def two_quantisers_of_the_input(model: Model) -> str:
    return model.node("Add", model.quantise("x", 0.25), model.quantise("x", 0.5))


def per_channel_activations(model: Model) -> str:
    scale, zero = model.const([0.25, 0.5, 1.0]), model.const([0, 0, 0], np.uint8)
    y = model.node("DequantizeLinear", model.node("QuantizeLinear", "x", scale, zero), scale, zero)
    return model.conv(y, 4, 3, 3, 3)


def scaled_input(model: Model) -> str:
    return model.quantise(model.node("Div", "x", model.const(255.0)))


def bipolar_input(model: Model) -> str:
    return model.node("BipolarQuant", "x", model.const(0.5), domain=QONNX)


def no_quantiser_between(model: Model) -> str:
    return model.conv(model.node("Relu", conv_of(model)), 4, 4, 1, 1)


def pool_of_pending(model: Model) -> str:
    return model.node("GlobalAveragePool", model.node("Relu", conv_of(model)))


def relu_output(model: Model) -> str:
    return model.node("Relu", model.conv(model.quantise("x"), 4, 3, 3, 3, bias=True, scale=0.3))


def sum_output(model: Model) -> str:
    return model.node("Add", conv_of(model), model.quantise(conv_of(model), 0.3))


def negative_max_pool(model: Model) -> str:
    y = model.node("Neg", conv_of(model))
    return model.conv(model.node("MaxPool", y, kernel_shape=[2, 2]), 2, 4, 1, 1)


def add_of_other_shape(model: Model) -> str:
    x = model.quantise("x")
    return model.node("Add", x, model.node("GlobalAveragePool", x))


def product_of_tensors(model: Model) -> str:
    x = model.quantise("x")
    return model.node("Mul", x, x)


def variable_weights(model: Model) -> str:
    x = model.quantise("x")
    return model.node("Conv", x, x)


def constant_output(model: Model) -> str:
    return model.node("Neg", model.const([1.0]))


def random_weights(model: Model) -> str:
    return model.node("Conv", model.quantise("x"), model.node("RandomNormal", shape=[4, 3, 3, 3]))


def impossible_constant(model: Model) -> str:
    shape = model.node("Add", model.const([1, 2, 3], np.int64), model.const([1, 2], np.int64))
    return model.node("Reshape", model.quantise("x"), shape)


def trunc(*inputs: object) -> Make:
    def make(model: Model) -> str:
        return model.node("Trunc", model.quantise("x"), *(model.const(v) for v in inputs), domain=QONNX)

    return make


def training_norm(model: Model) -> str:
    parts = [model.const(v) for v in (np.ones(4), np.zeros(4), np.zeros(4), np.ones(4))]
    return model.node("BatchNormalization", conv_of(model), *parts, training_mode=1)


NOISE = np.random.default_rng(0).normal(size=(4, 3, 3, 3))

CASES: list[tuple[str, Make, str]] = [
    (
        "softmax",
        after("Softmax"),
        r"node Softmax_t\d+ \(Softmax\): the operator Softmax is not supported; cut the network",
    ),
    ("custom operator", after("Magic", domain="acme"), "the operator acme::Magic is not supported"),
    ("QOperator", after("QLinearAdd", domain="com.microsoft"), "QLinearAdd is not supported; export .* in QDQ format"),
    (
        "not ternary",
        with_weights(NOISE),
        r"\(Conv\): layer body: its weights are not ternary.*apc quantize.*--ternary-tol",
    ),
    ("NaN weights", with_weights(NOISE * np.nan), "layer body: its weights hold NaN"),
    ("3-d convolution", with_weights(np.ones((4, 3, 3, 3, 3))), "over 3 axes are not supported"),
    ("variable weights", variable_weights, "its weights must be constant"),
    ("channels", with_weights(np.ones((4, 2, 3, 3))), "do not fit 3 channels"),
    ("kernel", with_weights(np.ones((4, 3, 9, 9))), "9x9 window does not fit"),
    ("random", random_weights, r"\(RandomNormal\): its result cannot be computed at compile time"),
    ("impossible constant", impossible_constant, r"\(Add\): its constant result could not be computed"),
    (
        "no quantiser",
        no_quantiser_between,
        r"\(Conv\): its input has per-channel scales and no quantiser; quantise every activation",
    ),
    ("average of real values", pool_of_pending, "GlobalAveragePool_.*no quantiser"),
    ("Relu at the output", relu_output, r"\(graph output\).*no quantiser"),
    ("sum at the output", sum_output, r"\(graph output\).*no quantiser"),
    ("max of negated", negative_max_pool, "max pooling of values with a negative scale"),
    ("two input quantisers", two_quantisers_of_the_input, "the graph input x is quantised in two different ways"),
    ("scaled input", scaled_input, "the graph input x is scaled or shifted before its first quantiser"),
    ("bipolar input", bipolar_input, "the graph input x is quantised with a bipolar quantiser"),
    (
        "per-channel activations",
        per_channel_activations,
        "its input has per-channel scales; quantise activations with one",
    ),
    ("clamp under a batch norm", relu_then_batch_norm, "acts at a different level in every channel"),
    ("clamp under bipolar", relu_then_bipolar, "before a bipolar quantiser is not supported"),
    ("training", training_norm, r"is in training mode; export the model after model.eval\(\)"),
    ("broadcast", add_of_other_shape, "broadcasting is not supported"),
    ("product", product_of_tensors, "the product of two tensors that depend on the inputs"),
    ("constant output", constant_output, "does not depend on the inputs"),
    ("NaN in Quant", lambda m: m.node("Conv", m.quantise("x"), m.quant(m.const(NOISE * np.nan))), "operand holds NaN"),
    ("empty factor", after("Mul", np.zeros((0,), dtype=np.float32)), "its factor is empty"),
    ("empty weights", with_weights(np.zeros((0, 3, 3, 3))), "its weights are empty"),
    ("no numbers", after("Mul", np.array(["a"], dtype=object)), "its factor holds NaN, infinite values or no numbers"),
    ("real axes", after("Squeeze", np.float32(2.0)), "its axes holds no integers but float32"),
    ("huge zero point", quant(zero=1e20), "is not a sensible number"),
    ("real zero point", linear(1.0, 0.0, np.float32), "is not an integer of"),
    ("huge shift", trunc(0.25, 0.0, 200.0, 4.0), "truncates by 196 bits"),
    ("zero divisor", after("Div", np.float32(0)), "its divisor is zero"),
    ("zero factor", after("Mul", np.float32(0)), "its factor is zero"),
    (
        "spatial constant",
        after("Mul", np.arange(36, dtype=np.float32).reshape(1, 1, 6, 6)),
        "only per-channel is supported",
    ),
    (
        "wrong constant",
        after("Mul", np.arange(3, dtype=np.float32).reshape(3, 1, 1)),
        "does not fit the tensor's 4 channels",
    ),
    ("too many axes", after("Mul", np.ones((2, 1, 4, 1, 1), dtype=np.float32)), "more axes than the tensor"),
    ("NaN factor", after("Mul", np.float32(np.nan)), "its factor holds NaN"),
    ("vector bound", after("Clip", np.zeros(2, dtype=np.float32)), "its bounds must be single numbers"),
    ("cast", after("Cast", to=TensorProto.INT32), "a cast of real values to integers"),
    ("flatten axis", after("Flatten", axis=2), "axis 2 is not supported"),
    ("batch in reshape", after("Reshape", np.array([-1], dtype=np.int64)), "changes the batch axis"),
    ("reshape size", after("Reshape", np.array([0, 5, -1], dtype=np.int64)), "does not fit a tensor"),
    ("reshape order", after("Reshape", np.array([0, 36, 2, 2], dtype=np.int64)), "only flattening all axes"),
    ("five axes", after("Unsqueeze", np.array([1], dtype=np.int64)), "5 axes is not supported"),
    ("squeeze batch", after("Squeeze", np.array([0], dtype=np.int64)), "squeezing the batch axis"),
    ("squeeze size", after("Squeeze", np.array([1], dtype=np.int64)), "do not all have size 1"),
    ("unsqueeze batch", after("Unsqueeze", np.array([0], dtype=np.int64)), "an axis before the batch"),
    ("concat axis", after("Concat", axis=2), "only concatenation along the channels"),
    ("concat constant", after("Concat", np.zeros((1, 1, 6, 6), dtype=np.float32), axis=1), "its input 1 is a constant"),
    ("pad channels", after("Pad", np.array([0, 1, 0, 0, 0, 0, 0, 0])), "only height and width can be padded"),
    ("negative pad", after("Pad", np.array([0, 0, -1, 0, 0, 0, 0, 0])), "slice outside"),
    ("pad mode", after("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 0]), mode="reflect"), "mode reflect is not supported"),
    (
        "pad value",
        after("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 0]), np.float32(0.3)),
        "is not one of the tensor's levels",
    ),
    ("pad NaN", after("Pad", np.array([0, 0, 1, 0, 0, 0, 0, 0]), np.float32(np.nan)), "is not a finite number"),
    ("mean axes", after("ReduceMean", np.array([1])), "only over all the spatial ones"),
    ("average borders", after("AveragePool", kernel_shape=[3, 3], pads=[1] * 4), "set count_include_pad = 1"),
    (
        "average ceil",
        after("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        "ceil_mode makes its last windows smaller",
    ),
    ("pool kernel", after("MaxPool", kernel_shape=[3]), "do not fit a tensor of 2 spatial axes"),
    ("pool size", after("MaxPool", kernel_shape=[9, 9]), "does not fit the 6x6 input"),
    ("pool strides", after("MaxPool", kernel_shape=[2, 2], strides=[0, 1]), "must be at least 1"),
    ("auto_pad", after("MaxPool", kernel_shape=[2, 2], auto_pad="SOME"), "auto_pad SOME is not supported"),
    ("pads", after("MaxPool", kernel_shape=[2, 2], pads=[1]), "are not 4 numbers"),
    ("matrix of a map", after("MatMul", np.ones((6, 2), dtype=np.float32)), "is no vector per image; flatten it first"),
    (
        "left matrix",
        after("MatMul", np.ones((6, 6), dtype=np.float32), first=False),
        "only with constant weights as its second",
    ),
    ("transA", after("Gemm", np.ones((6, 6), dtype=np.float32), transA=1), "transA is not supported"),
    ("division", after("Div", np.int64(2)), "integer division"),
    ("variable divisor", after("Div", np.float32(2), first=False), "its input 0 is a constant"),
    ("quant bits", quant(bits=2.5), "its bit width 2.5 is not an integer"),
    ("quant width", quant(bits=40.0), "its bit width 40 is not supported"),
    ("quant zero point", quant(zero=0.5), "its zero point 0.5 is not an integer"),
    ("quant mode", quant(rounding_mode="SOMEHOW"), "rounding mode SOMEHOW is not supported"),
    ("quant scale", quant(scale=-1.0), "its scale is not a positive number"),
    ("bipolar zero point", quant(bits=1.0, zero=1.0), "a bipolar quantiser with a zero point"),
    ("linear scale", linear(0.0, 0), "its scale is not a positive number"),
    ("linear zero points", linear([1.0] * 4, [0, 1, 2, 3]), "differs from channel to channel"),
    ("linear shape", linear([1.0] * 3, [0] * 3), "does not fit axis 1"),
    ("linear axis", linear([1.0] * 4, [0] * 4, axis=7), "its axis 7 does not exist"),
    ("linear type", linear(1.0, 0, np.int32), "not an integer of 2, 4, 8 or 16 bits"),
    ("trunc inputs", trunc(0.25), "Trunc takes 5"),
    ("trunc zero point", trunc(0.25, 1.0, 8.0, 1.0, 5.0), "which is not an integer; use a zero point of 0"),
]


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_refusal(make: Make, message: str) -> None:
    model = Model()
    with pytest.raises(UserError, match=message) as caught:
        load_graph(model.build(make(model)))
    assert "\n" not in str(caught.value)


def test_inputs_that_are_not_supported() -> None:
    model = Model()
    y = model.quantise("x")
    for shape, dtype, message in [
        ((1, 2, 3, 4, 5), TensorProto.FLOAT, "input x: has 5 axes"),
        ((1, 3), TensorProto.STRING, "input x: the type .* is not supported"),
        ((1, 3), TensorProto.INT64, "input x: the type int64 is not supported"),
    ]:
        with pytest.raises(UserError, match=message):
            load_graph(model.build(y, shape=shape, dtype=dtype))
    built = model.build(y)
    built.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(UserError, match="input x: has no shape; give one with --input-shape x="):
        load_graph(built)
    assert load_graph(built, input_shapes={"x": (1, 3, 4, 4)}).graph.type("x").shape == (3, 4, 4)


def test_broken_wiring() -> None:
    model = Model()
    y = model.quantise("x")
    built = model.build(y)
    built.graph.node[0].input[0] = "nowhere"
    with pytest.raises(UserError, match="QuantizeLinear_t0 .*reads the tensor nowhere, which nothing computes"):
        load_graph(built)
    with pytest.raises(UserError, match="output nothing: nothing computes it"):
        load_graph(model.build("nothing"))
    sparse = model.build(y)
    sparse.graph.sparse_initializer.add()
    with pytest.raises(UserError, match="sparse initializers are not supported"):
        load_graph(sparse)


def test_the_file_is_named_in_errors_of_the_graph(tmp_path) -> None:
    model = Model()
    path = tmp_path / "m.onnx"
    onnx.save(model.build(after("Softmax")(model)), path)
    with pytest.raises(UserError, match=r"m\.onnx: node Softmax_.* \(Softmax\)"):
        load_graph(path)
