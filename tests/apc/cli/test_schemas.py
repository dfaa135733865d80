"""docs/json.md, the JSON Schemas and the commands agree. Commands are run on a small network, end to end."""

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

from apc.cli import COMMANDS, main
from backends.target import load_target
from tests.apc.small import save

ROOT = Path(__file__).parent.parent.parent.parent
FOLDER = ROOT / "apc" / "schemas"
SCHEMAS = sorted(path.name for path in FOLDER.glob("*.json"))
ENERGY_PARTS = ["search", "write", "shift", "control", "movement", "leakage"]


def schema(command: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"apc.{command}.json").read_text(encoding="utf-8"))


def keys(part: object) -> Iterator[str]:
    """Every property name of a schema."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            yield from part["properties"]
        for inner in part.values():
            yield from keys(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from keys(inner)


def check(command: str, text: str) -> dict[str, Any]:
    """The parsed output of a command, valid against its schema."""
    document = json.loads(text)
    assert next(iter(document)) == "schema"
    jsonschema.Draft202012Validator(schema(command)).validate(document)
    return document


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_of_commands(name: str) -> None:
    command = name.removeprefix("apc.").removesuffix(".json")
    document = schema(command)
    jsonschema.Draft202012Validator.check_schema(document)
    assert command in COMMANDS
    assert document["$id"] == document["properties"]["schema"]["const"] == f"apc.{command}/1"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_page_explains_every_key(name: str) -> None:
    command = name.removeprefix("apc.").removesuffix(".json")
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    title = f"## `apc {command}`: `apc.{command}/1`"
    assert title in page
    section = page.split(title)[1].split("\n## ")[0] + page.split("## Energy")[1].split("\n## ")[0]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]*`", section))))
    assert set(keys(schema(command))) - named - {"schema"} == set()


def test_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--json"]) == 0
    listed = check("targets", capsys.readouterr().out)
    assert main(["targets", "show", "rtm-ap-projected", "--json"]) == 0
    shown = check("targets", capsys.readouterr().out)
    assert shown["targets"] == [target for target in listed["targets"] if target["name"] == "rtm-ap-projected"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float network f.onnx (convolution, pooling, classifier; open batch) and three images x.npz."""
    folder = tmp_path_factory.mktemp("json")
    random = np.random.default_rng(3)
    shapes = {"conv1.weight": (4, 2, 3, 3), "fc.weight": (3, 4), "fc.bias": (3,)}
    weights = [
        onnx.numpy_helper.from_array(random.normal(0, 0.5, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "conv1.weight"], ["a"], "conv1", pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["a"], ["b"], "relu1"),
        onnx.helper.make_node("GlobalAveragePool", ["b"], ["c"], "pool"),
        onnx.helper.make_node("Flatten", ["c"], ["d"], "flatten"),
        onnx.helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["y"], "fc", transB=1),
    ]
    float32 = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("x", float32, ["N", 2, 6, 6])],
        [onnx.helper.make_tensor_value_info("y", float32, ["N", 3])],
        weights,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, folder / "f.onnx")
    np.savez(folder / "x.npz", x=random.normal(size=(3, 2, 6, 6)).astype(np.float32))
    return folder


def command(name: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """The checked JSON of a command that succeeds; words with a dot in ``arguments`` are files of ``folder``."""
    words = [str(folder / word) if "." in word else word for word in arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main([name, *words, "--json"]) == 0
    return check(name, out.getvalue())


@pytest.fixture(scope="module")
def compiled(folder: Path) -> dict[str, Any]:
    """What `apc compile` prints for the quantised network, now q.onnx and q.apc."""
    quantised = command("quantize", folder, "f.onnx", "-o", "q.onnx", "--calibration", "x.npz")
    assert [layer["layer"] for layer in quantised["layers"]][-1] == "fc"
    return command("compile", folder, "q.onnx", "-o", "q.apc")


def energies_sum_up(document: dict[str, Any], key: str) -> None:
    total = document[key]
    assert list(total) == [*ENERGY_PARTS, "total"]
    assert sum(total[part] for part in ENERGY_PARTS) == total["total"] > 0
    for part in total:
        assert sum(layer[key][part] for layer in document["layers"]) == total[part]


def test_compile(compiled: dict[str, Any]) -> None:
    energies_sum_up(compiled, "energy_estimate_J")
    totals = dict(compiled["totals"])
    assert totals.pop("energy_estimate_J") == compiled["energy_estimate_J"]
    for key, total in totals.items():
        assert sum(layer[key] for layer in compiled["layers"]) == total
    assert compiled["target"] == "rtm-ap-published"


def test_ablation(tmp_path: Path) -> None:
    document = command("compile", save(tmp_path)[0].parent, "m.onnx", "--passes", "cse,row-sums", "--ablate")
    assert [row["off"] for row in document["ablation"]] == [None, "cse", "row-sums"]


def test_run(compiled: dict[str, Any], folder: Path) -> None:
    document = command("run", folder, "q.apc", "--input", "x.npz", "--check", "reference")
    assert document["images"] == 3 and document["check"]["mismatches"] == 0
    energies_sum_up(document, "energy_J")
    target = load_target("rtm-ap-published")
    assert document["latency_s"] == pytest.approx(document["cycles"] * target.timing.cycle_s)
    first = document["layers"][0]  # its output stays in the arrays: no read-out beside the program's own events
    events, energy = first["counters"], first["energy_J"]
    assert energy["write"] == pytest.approx(events["written_bits"] * target.energy.write_bit_J)
    assert energy["movement"] == pytest.approx(events["moved_bits"] * target.energy.move_bit_global_J)
    shifted = events["shifted_bits"] + events["source_shifted_bits"]
    assert energy["shift"] == pytest.approx(shifted * target.energy.shift_step_J)
    assert energy["search"] > (events["search_rows"] + events["source_search_rows"]) * target.energy.search_row_J
    assert energy["control"] == pytest.approx(compiled["layers"][0]["encoded_bits"] * target.energy.control_bit_J / 3)


def test_a_run_of_one_image_takes_the_compiled_cycles(compiled: dict[str, Any], folder: Path) -> None:
    np.savez(folder / "one.npz", x=np.load(folder / "x.npz")["x"][:1])
    document = command("run", folder, "q.apc", "--input", "one.npz", "--check", "onnxruntime")
    assert [layer["cycles"] for layer in document["layers"]] == [layer["cycles"] for layer in compiled["layers"]]
    for key in ("instructions", "write_passes"):
        assert document["counters"][key] == compiled["totals"][key]


@pytest.mark.parametrize(
    ("arguments", "show"),
    [
        ([], "summary"),
        (["--layer", "conv1"], "summary"),
        (["--level", "graph"], "graph"),
        (["--level", "dag"], "dag"),
        (["--level", "dag", "--layer", "fc"], "dag"),
        (["--level", "macro", "--layer", "0", "--range", "0:100000"], "macro"),
        (["--level", "macro", "--layer", "fc", "--range", "0:100000"], "macro"),
        (["--level", "micro", "--range", "2:6"], "micro"),
    ],
)
def test_inspect(arguments: list[str], show: str, compiled: dict[str, Any], folder: Path) -> None:
    document = command("inspect", folder, "q.apc", *arguments)
    assert document["show"] == show
    if show == "macro":
        (layer,) = (layer for layer in compiled["layers"] if layer["name"] == document["layer"])
        assert document["tile_instructions"] == len(document["instructions"]) == layer["instructions"]
        writes = sum(instruction["write_passes"] for instruction in document["instructions"])
        assert writes == layer["write_passes"]


def test_asm_and_disasm(compiled: dict[str, Any], folder: Path) -> None:
    text = command("disasm", folder, "q.apc")["text"]
    written = command("disasm", folder, "q.apc", "-o", "q.s")
    assert written["text"] is None and (folder / "q.s").read_text(encoding="utf-8") == text
    assembled = command("asm", folder, "q.s", "-o", "again.apc")
    assert assembled["instructions"] == compiled["totals"]["instructions"]
    assert (folder / "again.apc").read_bytes() == (folder / "q.apc").read_bytes()


def test_every_command_has_a_schema() -> None:
    printing = [name for name in COMMANDS if name != "completion"]  # which prints a script
    assert SCHEMAS == sorted(f"apc.{name}.json" for name in printing)
