"""Every style of quantiser and of quantised weights, against onnxruntime or QONNX's own executor."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from apc.frontend import load_graph
from ir.graph import Graph
from ir.ops import Conv, Requantise
from tests.apc.frontend.models import QONNX, Model
from tests.apc.frontend.oracle import compare, run_imported, run_onnxruntime


def convolutions(graph: Graph) -> list[Conv]:
    return [op for op in map(graph.op, graph.order()) if isinstance(op, Conv)]


def requantisers(graph: Graph) -> list[Requantise]:
    return [op for op in map(graph.op, graph.order()) if isinstance(op, Requantise)]


# ---- QDQ ------------------------------------------------------------------------------------------------------


def test_weights_of_static_quantisation() -> None:
    """int8 per channel, {-127, 0, 127} standing for ternary, an int32 bias, and general integers in a last channel."""
    model = Model()
    x = model.quantise("x", 0.25, 5)
    weights = model.random.integers(-1, 2, (4, 3, 3, 3)) * 127
    weights[3] = model.random.integers(-127, 128, (3, 3, 3))
    scale = np.array([0.5, 0.25, 0.5, 0.125]) / 128
    w = model.node(
        "DequantizeLinear",
        model.const(weights, np.int8, "layer.weight_quantized"),
        model.const(scale),
        model.const(np.zeros(4), np.int8),
        axis=0,
    )
    bias = model.node(
        "DequantizeLinear",
        model.const([100, -200, 300, 0], np.int32),
        model.const(scale / 4),
        model.const(np.zeros(4), np.int32),
        axis=0,
    )
    y = model.quantise(model.node("Conv", x, w, bias), 0.5, 100)
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    (conv,) = convolutions(loaded.graph)
    assert np.abs(conv.weights[:3]).max() == 1
    assert np.array_equal(conv.weights[3], weights[3])
    assert "layer" in loaded.graph


def test_asymmetric_weights_and_a_transposed_matrix() -> None:
    model = Model()
    x = model.node("Flatten", model.quantise("x", 0.25, 5))
    integers = model.random.integers(0, 256, (12, 5))
    w = model.node("DequantizeLinear", model.const(integers, np.uint8), model.const(1 / 64), model.const(128, np.uint8))
    transposed = model.node("Transpose", w, perm=[1, 0])
    y = model.node("Gemm", x, transposed, transB=1)
    loaded = compare(model.build(y, shape=("n", 3, 2, 2)), model.images(3, 3, 2, 2))
    assert np.array_equal(convolutions(loaded.graph)[0].weights[:, :, 0, 0], integers.T - 128)


@pytest.mark.parametrize(
    ("element_type", "low", "high", "opset", "ir_version"),
    [
        (TensorProto.INT4, -8, 7, 21, 10),
        (TensorProto.UINT4, 0, 15, 21, 10),
        (TensorProto.INT2, -2, 1, 25, 13),
        (TensorProto.UINT2, 0, 3, 25, 13),
    ],
)
def test_narrow_tensors(element_type: int, low: int, high: int, opset: int, ir_version: int) -> None:
    model = Model(opset)
    x = model.quantise("x", 0.25, 5)
    integers = model.random.integers(low, high + 1, (4, 3, 3, 3))
    zero = model.packed(np.zeros((), dtype=np.int64), element_type, "zero")
    w = model.node("DequantizeLinear", model.packed(integers, element_type, "w"), model.const(0.5), zero)
    y = model.conv(x, 2, 3, 1, 1)
    narrow = model.node("QuantizeLinear", y, model.const(0.5), model.packed(np.array(1), element_type, "one"))
    y = model.node("DequantizeLinear", narrow, "c_scale", "one")
    model.const(0.5, name="c_scale")
    out = model.node("Conv", x, w)
    built = model.build(out, y, ir_version=ir_version)
    loaded = compare(built, model.images(2, 3, 8, 8))
    assert (requantisers(loaded.graph)[0].lo, requantisers(loaded.graph)[0].hi) == (low, high)


def test_blocked_scales_of_weights() -> None:
    """onnxruntime has no blocks along axis 0, so its model gets the same weights as floats."""
    models = Model(21), Model(21)
    integers = models[0].random.integers(-7, 8, (4, 3, 1, 1))
    integers[:, 0] = 7
    scale = np.array([0.5, 0.25]).reshape(2, 1, 1, 1) * np.ones((2, 3, 1, 1))
    blocked, plain = models
    w = blocked.node("DequantizeLinear", blocked.const(integers, np.int8), blocked.const(scale), axis=0, block_size=2)
    y = blocked.quantise(blocked.node("Conv", blocked.quantise("x", 0.25, 5), w), 0.5, 99)
    w = plain.const(integers * np.repeat(scale, 2, axis=0))
    z = plain.quantise(plain.node("Conv", plain.quantise("x", 0.25, 5), w), 0.5, 99)
    feeds = plain.images(2, 3, 8, 8)
    actual = run_imported(load_graph(blocked.build(y)), feeds)
    np.testing.assert_array_equal(actual[y], run_onnxruntime(plain.build(z), feeds)[z])


@pytest.mark.parametrize("levels", [(-1, 1), (-8, 7)])
def test_qcdq_weights_stay_float_until_their_quantiser(levels: tuple[int, int]) -> None:
    model = Model()
    x = model.quantise("x", 0.25, 0, np.uint8, clip=(0, 15))
    w = model.const(model.random.normal(0, 1, (4, 3, 3, 3)), name="body.conv.weight")
    w = model.quantise(w, 0.25, 0, np.int8, clip=levels)
    y = model.quantise(model.node("Relu", model.node("Conv", x, w)), 0.5, 0, np.uint8, clip=(0, 15))
    loaded = compare(model.build(y), model.images(2, 3, 8, 8))
    assert str(loaded.graph.type("x").dtype) == "u4"
    assert "body.conv" in loaded.graph
    assert np.abs(convolutions(loaded.graph)[0].weights).max() == -levels[0]


def test_in_graph_ternariser_is_folded() -> None:
    """mean|w| thresholds and scales, left in the graph by a training framework."""
    model = Model()
    x = model.quantise("x")
    w = model.const(model.random.normal(0, 0.5, (4, 3, 3, 3)), name="conv.weight")
    axes = model.const([1, 2, 3], np.int64)
    size = model.node("Abs", w)
    threshold = model.node("Mul", model.node("ReduceMean", size, axes, keepdims=1), model.const(0.7))
    mask = model.node("Cast", model.node("Greater", size, threshold), to=TensorProto.FLOAT)
    kept = model.node("ReduceSum", model.node("Mul", size, mask), axes, keepdims=1)
    alpha = model.node("Div", kept, model.node("ReduceSum", mask, axes, keepdims=1))
    t = model.node("Mul", model.node("Mul", model.node("Sign", w), mask), alpha)
    y = model.quantise(model.node("Conv", x, t), 0.5, 100)
    loaded = compare(model.build(y), model.images(2, 3, 8, 8), step=0.5, share=0.01)
    assert set(np.unique(convolutions(loaded.graph)[0].weights)) == {-1, 0, 1}
    assert "conv" in loaded.graph


def test_shared_initializers_through_identity_and_as_inputs() -> None:
    model = Model()
    x = model.quantise("x")
    w = model.const(model.ternary(3, 3, 3, 3), name="shared.weight")
    y = model.quantise(model.node("Conv", x, model.node("Identity", w), pads=[1] * 4), 0.5)
    y = model.quantise(model.node("Conv", y, w), 0.5)
    built = model.build(y)
    for tensor in built.graph.initializer:
        built.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    loaded = compare(built, model.images(2, 3, 8, 8))
    assert [entry.name for entry in loaded.graph.graph_inputs] == ["x"]
    assert "shared" in loaded.graph and "shared_1" in loaded.graph


def test_constants_as_nodes() -> None:
    model = Model()
    tensor = onnx.numpy_helper.from_array(model.ternary(4, 3, 3, 3))
    y = model.node("Conv", model.quantise("x"), model.node("Constant", value=tensor))
    compare(model.build(model.quantise(y, 0.5)), model.images(2, 3, 8, 8))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_onnxruntime_static_quantisation(tmp_path, per_channel: bool, signed: bool) -> None:
    """The real quantiser of onnxruntime on a small residual network, whose scales are arbitrary floats."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    model = Model(13, seed=5)
    scale = model.random.uniform(0.1, 0.4, (6, 1, 1, 1)).astype(np.float32)
    y = model.node("Relu", model.conv("x", 6, 3, 3, 3, scale=scale, bias=True, pads=[1] * 4))
    pooled = model.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    z = model.node("Relu", model.conv(pooled, 6, 6, 3, 3, scale=scale, bias=True, pads=[1] * 4))
    z = model.node("Relu", model.node("Add", model.conv(z, 6, 6, 3, 3, scale=scale, pads=[1] * 4), pooled))
    z = model.node("Flatten", model.node("GlobalAveragePool", z))
    z = model.node("Gemm", z, model.const(model.ternary(10, 6), name="fc.weight"), transB=1)
    onnx.save(model.build(z), tmp_path / "float.onnx")
    images = model.random.normal(0, 2, (16, 3, 8, 8)).astype(np.float32)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter([{"x": images}])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)

    quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "q.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    quantised = onnx.load(tmp_path / "q.onnx")
    loaded = load_graph(tmp_path / "q.onnx")
    expected = next(iter(run_onnxruntime(quantised, {"x": images}).values()))
    actual = next(iter(run_imported(loaded, {"x": images}).values()))
    step = float(np.diff(np.unique(expected)).min())
    different = np.abs(actual - expected) > step / 2
    assert different.mean() <= 0.001
    assert np.abs(actual - expected).max() <= 1.01 * step
    if per_channel:
        assert all(np.abs(op.weights).max() == 1 for op in convolutions(loaded.graph))


# ---- QONNX ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"])
@pytest.mark.parametrize(
    "settings",
    [
        {"bits": 4},
        {"bits": 3, "signed": 1},
        {"bits": 3, "signed": 1, "narrow": 1},
        {"bits": 4, "zero_point": 3.0},
        {"bits": 1, "signed": 1},
        {"bits": 1, "signed": 0},
    ],
)
def test_qonnx_quant(mode: str, settings: dict) -> None:
    model = Model(14)
    x = model.quant("x", 0.25, 6, signed=1)
    w = model.quant(model.const(model.random.normal(0, 0.3, (4, 3, 3, 3))), 0.25, 2, signed=1, narrow=1)
    y = model.quant(model.node("Conv", x, w), 0.5, rounding_mode=mode, **settings)
    out = model.quant(model.node("Conv", y, model.const(model.ternary(2, 4, 1, 1))), 0.5, 8, signed=1)
    loaded = compare(model.build(y, out, shape=(1, 3, 8, 8)), model.images(1, 3, 8, 8), oracle="qonnx")
    assert np.abs(convolutions(loaded.graph)[0].weights).max() == 1


def test_qonnx_per_channel_scales_of_weights() -> None:
    model = Model(14)
    x = model.quant("x", 0.25, 8, signed=1)
    scale = np.array([0.25, 0.5, 0.125, 1.0]).reshape(4, 1, 1, 1)
    w = model.quant(model.const(model.random.normal(0, 0.3, (4, 3, 3, 3))), scale, 4, signed=1)
    y = model.node("BatchNormalization", model.node("Conv", x, w), *(model.const(v) for v in _power_of_two_norm()))
    y = model.quant(model.node("Relu", y), 0.5)
    compare(model.build(y, shape=(1, 3, 8, 8)), model.images(1, 3, 8, 8), oracle="qonnx", step=0.5, share=0.005)


def _power_of_two_norm() -> list[np.ndarray]:
    return [np.array([2.0, -1.0, 0.5, 1.0]), np.arange(4) / 8, np.arange(4) / 2, np.array([4.0, 1.0, 0.25, 1.0])]


def test_qonnx_bipolar_quant_of_weights_and_activations() -> None:
    model = Model(14)
    x = model.quant("x", 0.25, 8, signed=1)
    w = model.const(model.random.normal(0, 1, (4, 3, 3, 3)))
    w = model.node("BipolarQuant", w, model.const(0.5), domain=QONNX)
    y = model.node("BipolarQuant", model.node("Conv", x, w), model.const(0.25), domain=QONNX)
    out = model.quant(model.node("Conv", y, model.const(model.ternary(2, 4, 1, 1))), 0.125, 8, signed=1)
    loaded = compare(model.build(y, out, shape=(1, 3, 8, 8)), model.images(1, 3, 8, 8), oracle="qonnx")
    assert set(np.unique(convolutions(loaded.graph)[0].weights)) == {-1, 1}


@pytest.mark.parametrize("mode", ["FLOOR", "CEIL", "ROUND"])
@pytest.mark.parametrize("version", [1, 2])
def test_qonnx_trunc_of_an_average(version: int, mode: str) -> None:
    """Brevitas' TruncAvgPool2d: the sum of a window, shifted right."""
    model = Model(14)
    y = model.quant("x", 0.25, 6, signed=1)
    y = model.node("Mul", model.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2]), model.const(4.0))
    zero = model.const(0.0)
    if version == 1:
        inputs = [model.const(0.25), zero, model.const(8.0), model.const(6.0)]
        attributes = {}
    else:
        inputs = [model.const(0.25), zero, model.const(8.0), model.const(1.0), model.const(5.0)]
        attributes = {"signed": 1, "narrow": 0}
    y = model.node("Trunc", y, *inputs, domain=QONNX, version=version, rounding_mode=mode, **attributes)
    loaded = compare(model.build(y, shape=(1, 3, 8, 8)), model.images(1, 3, 8, 8), oracle="qonnx")
    (op,) = requantisers(loaded.graph)
    assert op.dtype.bits <= 6


def test_qonnx_trunc_rounds_to_its_grid_first() -> None:
    model = Model(14)
    y = model.quant(model.node("AveragePool", model.quant("x", 0.25, 6, signed=1), kernel_shape=[2, 2]), 0.125, 8)
    y = model.node("Mul", y, model.const(0.5))
    inputs = [model.const(0.25), model.const(0.0), model.const(6.0), model.const(4.0)]
    y = model.node("Trunc", y, *inputs, domain=QONNX, rounding_mode="FLOOR")
    loaded = compare(model.build(y, shape=(1, 3, 8, 8)), model.images(1, 3, 8, 8), oracle="qonnx")
    assert len(requantisers(loaded.graph)) == 3


# ---- Brevitas -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["qcdq", "qonnx"])
@pytest.mark.filterwarnings("ignore")
def test_brevitas_exports(tmp_path, style: str) -> None:
    """Real exports of a Brevitas network with ternary weights, 4-bit activations and a residual addition."""
    torch = pytest.importorskip("torch")
    qnn = pytest.importorskip("brevitas.nn")
    from brevitas.export import export_onnx_qcdq, export_qonnx
    from brevitas.quant import SignedTernaryWeightPerTensorConst

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            settings = {"weight_quant": SignedTernaryWeightPerTensorConst, "bias": False, "padding": 1}
            self.enter = qnn.QuantIdentity(bit_width=8, return_quant_tensor=False)
            self.first = qnn.QuantConv2d(3, 6, 3, **settings)
            self.norm = torch.nn.BatchNorm2d(6)
            self.act = qnn.QuantReLU(bit_width=4, return_quant_tensor=False)
            self.second = qnn.QuantConv2d(6, 6, 3, **settings)
            self.sum = qnn.QuantIdentity(bit_width=8, return_quant_tensor=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.act(self.norm(self.first(self.enter(x))))
            return torch.relu(self.sum(self.second(y)) + self.sum(y))

    torch.manual_seed(4)
    network = Network()
    images = torch.randn(8, 3, 8, 8)
    network.train()
    network(images)
    network.eval()
    path = tmp_path / f"{style}.onnx"
    export = export_onnx_qcdq if style == "qcdq" else export_qonnx
    export(network, args=images[:1], export_path=str(path), opset_version=18 if style == "qcdq" else 14, dynamo=False)
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, 10)
    feeds = {model.graph.input[0].name: images[:1].numpy()}
    scale = float(network.sum.act_quant.scale())
    compare(model, feeds, oracle="onnxruntime" if style == "qcdq" else "qonnx", step=scale, share=0.01)
