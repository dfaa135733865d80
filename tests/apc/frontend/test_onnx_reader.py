"""Files: hashes, external data, and one clear line for everything that cannot be read."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from apc.frontend import load_graph
from ir.errors import UserError
from tests.apc.frontend.models import Model
from tests.apc.frontend.oracle import run_imported, run_onnxruntime


def small(ir_version: int = 10, opset: int = 18) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    model = Model(opset)
    y = model.quantise(model.conv(model.quantise("x"), 4, 3, 3, 3), 0.5)
    return model.build(y, ir_version=ir_version), model.images(2, 3, 8, 8)


def refused(path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_graph(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_file_and_hash(tmp_path: Path) -> None:
    model, feeds = small()
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    loaded = load_graph(str(path))
    assert loaded.model_bytes_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.graph.graph_inputs[0].name == "x"
    np.testing.assert_array_equal(
        next(iter(run_imported(loaded, feeds).values())), next(iter(run_onnxruntime(model, feeds).values()))
    )


@pytest.mark.parametrize("cut", [0, 1, 40, 200])
def test_truncated_files(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.onnx"
    data = small()[0].SerializeToString()
    path.write_bytes(data[: len(data) - cut - 1] if cut else b"")
    refused(path, "is not an ONNX|truncated")


@pytest.mark.parametrize("content", [b"hello world, this is no model", b"PK\x03\x04" + bytes(100), b"\x08\x0a"])
def test_foreign_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(content)
    refused(path, "is not an ONNX")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.onnx", "cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")


def save_external(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    model, feeds = small()
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path, feeds


def test_external_data(tmp_path: Path) -> None:
    path, feeds = save_external(tmp_path)
    loaded = load_graph(path)
    assert loaded.model_bytes_sha256 != hashlib.sha256(path.read_bytes()).hexdigest()
    expected = run_onnxruntime(loaded.onnx_model, feeds)
    for name, value in run_imported(loaded, feeds).items():
        np.testing.assert_array_equal(value, expected[name])


def test_missing_short_or_outside_external_data(tmp_path: Path) -> None:
    path, _ = save_external(tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:50])
    refused(path, "tensor .*(external data|damaged)")
    weights.unlink()
    refused(path, "external data file weights.bin is missing; put it into")
    model = onnx.load(path, load_external_data=False)
    (tmp_path / "inner").mkdir()
    weights.write_bytes(bytes(10_000))
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    outside = tmp_path / "inner" / "m.onnx"
    outside.write_bytes(model.SerializeToString())
    refused(outside, "external data cannot be read")


@pytest.mark.parametrize(("ir_version", "opset"), [(7, 11), (8, 13), (10, 21), (13, 25)])
def test_supported_versions(ir_version: int, opset: int) -> None:
    model, _ = small(ir_version, opset)
    assert load_graph(model).graph.outputs


def test_unsupported_versions() -> None:
    with pytest.raises(UserError, match="opset 10 is not supported, only 11 to"):
        load_graph(small(opset=10)[0])
    with pytest.raises(UserError, match="opset 99 is not supported"):
        load_graph(small(opset=99)[0])
    with pytest.raises(UserError, match="IR version 99 is not supported"):
        load_graph(small(ir_version=99)[0])
    with pytest.raises(UserError, match="IR version 3 is not supported"):
        load_graph(small(ir_version=3)[0])


def test_damaged_initializer() -> None:
    model, _ = small()
    tensor = next(t for t in model.graph.initializer if len(t.dims) == 4)
    tensor.dims[0] = 7
    with pytest.raises(UserError, match=f"tensor {tensor.name}: .*damaged"):
        load_graph(model)


def test_local_functions_are_inlined() -> None:
    model, feeds = small()
    function = onnx.helper.make_function(
        "custom", "Same", ["a"], ["b"], [onnx.helper.make_node("Identity", ["a"], ["b"])], model.opset_import
    )
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("custom", 1))
    last = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Same", [last], ["end"], domain="custom"))
    model.graph.output[0].name = "end"
    value = run_imported(load_graph(model), feeds)["end"]
    np.testing.assert_array_equal(value, run_onnxruntime(model, feeds)["end"])


def test_symbolic_axes_need_a_shape() -> None:
    model = Model()
    y = model.quantise(model.conv(model.quantise("x"), 4, 3, 3, 3), 0.5)
    built = model.build(y, shape=("n", 3, "h", "w"))
    with pytest.raises(UserError, match=r"input x: its shape \['\?', 3, '\?', '\?'\] is symbolic .*--input-shape x="):
        load_graph(built)
    loaded = load_graph(built, input_shapes={"x": (1, 3, 6, 9)})
    assert loaded.graph.graph_inputs[0].shape == (None, 3, 6, 9)
    assert loaded.graph.outputs[0].shape == (None, 4, 4, 7)
    with pytest.raises(UserError, match="input x: the shape .* does not fit"):
        load_graph(built, input_shapes={"x": (1, 4, 6, 9)})
    with pytest.raises(UserError, match=r"there is no input y; the inputs are \['x'\]"):
        load_graph(built, input_shapes={"y": (1, 3, 6, 9)})


def test_inputs_that_nothing_reads_are_left_out_with_a_warning() -> None:
    model, _ = small()
    model.graph.input.append(onnx.helper.make_tensor_value_info("spare", TensorProto.FLOAT, (1, 3)))
    loaded = load_graph(model)
    assert loaded.warnings == ["input spare: no output depends on it; it is left out"]
