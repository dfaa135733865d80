"""Stepping through a slice of a layer: it is what the engines compute, and what it says of each micro-operation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import apc
from apc.cli import main
from apc.report.inspection import Window
from apc.stepping import SteppedInstruction, Stepper, tensors_before
from ir.isa import Field
from ir.program import Program
from simulator.rtm.run import run_program
from tests.apc.cli.test_schemas import check
from tests.programs import tiny_program


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 1.5, (3, 2, 4, 4)).astype(np.float32)


def quiet(done: int, total: int, label: str) -> None:
    return


def stepper(program: Program, pixels: np.ndarray, layer: int, tile: int, start: int, stop: int) -> Stepper:
    window = Window(layer, program.layers[layer], tile, program.layers[layer].tiles[tile], start, stop)
    made = Stepper(program, window, tensors_before(program, {"image": pixels}, layer, quiet))
    made.skip_to_window(quiet)
    return made


@pytest.mark.parametrize(("layer", "tile"), [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize("start", [0, 3])
def test_a_whole_tile_leaves_what_the_engines_leave(pixels: np.ndarray, layer: int, tile: int, start: int) -> None:
    program = tiny_program()
    steps = stepper(program, pixels, layer, tile, start, len(program.layers[layer].tiles[tile].instructions))
    items = list(steps.window_steps())
    everything = run_program(program, {"image": (pixels / np.float32(0.1)).round().astype(np.int64)}, keep="all")
    output = program.layers[layer].output
    for channel, place in enumerate(program.tensors[output].fields.tolist()):
        if place[0] == tile:
            _, column, domain, width, signed, across = place
            held = steps.machine.read(Field(column, domain, width, bool(signed), bool(across)))
            np.testing.assert_array_equal(held, everything.tensors[output][0, channel].ravel())
    assert [item.address for item in items] == list(range(start, len(program.layers[layer].tiles[tile].instructions)))


def test_flips_are_the_written_bits_of_a_run(pixels: np.ndarray) -> None:
    """Of an image whose rows fill a gated block: 16 positions, four images to a block of 64, all alike."""
    program = tiny_program()
    items: list[SteppedInstruction] = []
    for tile in (0, 1):
        items += stepper(program, pixels, 0, tile, 0, 8).window_steps()
    alike = np.repeat((pixels[:1] / np.float32(0.1)).round().astype(np.int64), 4, axis=0)
    counted = run_program(program, {"image": alike}).layers[0]
    assert 4 * sum(int(step.flipped.sum()) for item in items for step in item.steps) == counted.written_bits.sum()
    shifts = [step.domains for item in items for step in item.steps if step.domains is not None]
    assert sum(abs(after - before) for before, after in shifts) == counted.shift_steps[:-1].sum()


def test_what_an_instruction_tells(pixels: np.ndarray) -> None:
    (item,) = stepper(tiny_program(), pixels, 0, 0, 4, 5).window_steps()
    assert item.text.split() == ["0x0004", "add", "c6.d0:8s", "c3.d0:4"]
    assert list(item.fields) == list(item.before) == ["r", "a"] and item.received is None
    np.testing.assert_array_equal(item.after, item.before["r"] + item.before["a"])
    assert (item.before["r"] == -3).all()
    first = item.steps[0]
    assert first.tags.sum() == 0 and first.domains is None
    (gathered,) = stepper(tiny_program(), pixels, 0, 0, 0, 1).window_steps()
    assert gathered.received is not None
    np.testing.assert_array_equal(gathered.after, gathered.received)
    assert (gathered.received.reshape(4, 4)[:, 0] == 0).all()  # nothing lies left of the image


@pytest.fixture
def files(tmp_path: Path, pixels: np.ndarray) -> list[str]:
    apc.save(tiny_program(), tmp_path / "p.apc")
    np.savez(tmp_path / "x.npz", image=pixels)
    return ["run", str(tmp_path / "p.apc"), "--input", str(tmp_path / "x.npz")]


@pytest.mark.parametrize("layer", ["conv", "every"])
def test_text_fits_80_columns(files: list[str], layer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*files, "--engine", "reference", "--layer", layer, "--range", "0:", "--rows", "100"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= 80 and printed[0].startswith("layer ")


def test_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--engine", "reference", "--layer", "every", "--range", "0:13", "--rows", "3", "--json"]
    assert main([*files, *words]) == 0
    document = check("run", capsys.readouterr().out)
    assert document["range"] == [0, 13] and document["rows"] == 16
    gather, *_, mac = document["instructions"]
    assert gather["received"] == gather["after"] and len(gather["after"]) == 3
    assert mac["received"] is not None and {"r", "a"} == set(mac["fields"])
    assert any(step["ports"] for step in mac["steps"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "conv", "--range", "0:2"], "takes --engine reference, --layer L and --range A:B together"),
        (["--engine", "reference", "--range", "0:2"], "takes --engine reference, --layer L and --range A:B together"),
        (["--rows", "3"], "takes --engine reference, --layer L and --range A:B together"),
        (["--engine", "reference", "--layer", "x", "--range", "0:2"], "there is no layer 'x'"),
        (["--engine", "reference", "--layer", "1", "--range", "0:2", "--tile", "1"], "layer every has no tile 1"),
        (["--engine", "reference", "--layer", "1", "--range", "20:30"], "--range 20:30: must lie within"),
        (["--engine", "reference", "--layer", "1", "--range", "0:2", "--rows", "0"], "--rows 0: at least one row"),
        (["--engine", "reference", "--layer", "1", "--range", "0:2", "--trace", "t"], "--trace is of a whole run"),
        (["--engine", "reference", "--layer", "1", "--range", "0:2", "--check", "reference"], "--check is of a whole"),
    ],
)
def test_what_cannot_be_stepped(
    files: list[str], words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err and captured.err.count("\n") == 1


def test_inputs_that_do_not_fit(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "x.npz", other=np.zeros(3))
    assert main([*files, "--engine", "reference", "--layer", "conv", "--range", "0:2"]) == 2
    assert "the inputs are named other" in capsys.readouterr().err
