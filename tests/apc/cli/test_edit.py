"""`apc disasm`, an edit, `apc asm`, `apc run`: the network computes what the edited text says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apc import artifact
from apc.cli import main
from ir.program import Boundary, Program
from ir.types import IntType
from tests.programs import tiny_program


def convolution() -> Program:
    """tiny_program's first layer alone, on integers: y0 = clamp(-3 + left - mid + right), y1 = clamp(5 - left + mid +
    right), clamped to [0, 15]; left and mid of channel 0, right of channel 1, at columns x - 1, x, x + 1."""
    program = tiny_program()
    image = replace(program.inputs[0], dtype="uint8", scale=None, zero_point=None)
    y = Boundary("y", 1, (None, 2, 4, 4), "int64", IntType(4, False), 0, 15)
    return replace(
        program, tensors=program.tensors[:2], layers=program.layers[:1], inputs=[image], outputs=[y], host_steps=[]
    )


def expected(image: np.ndarray, bias: tuple[int, int], signs: tuple[tuple[int, ...], ...]) -> np.ndarray:
    left, mid = np.pad(image[:, 0], ((0, 0), (0, 0), (1, 0)))[..., :4], image[:, 0]
    right = np.pad(image[:, 1], ((0, 0), (0, 0), (0, 1)))[..., 1:]
    sums = [b + s[0] * left + s[1] * mid + s[2] * right for b, s in zip(bias, signs, strict=True)]
    return np.clip(np.stack(sums, axis=1), 0, 15)


@pytest.mark.parametrize(
    ("tile", "old", "new", "bias", "signs"),
    [
        (0, "#0,15", "#0,15", (-3, 5), ((1, -1, 1), (-1, 1, 1))),
        (0, "const   c6.d0:8s      #-3", "const   c6.d0:8s      #4", (4, 5), ((1, -1, 1), (-1, 1, 1))),
        (1, "sub     c6.d0:8s      c3.d0:4", "add     c6.d0:8s      c3.d0:4", (-3, 5), ((1, -1, 1), (1, 1, 1))),
        (1, "add     c6.d0:8s      c5.d4:4", "add c6.d0:8s c4.d0:4 ; my own", (-3, 5), ((1, -1, 1), (-1, 2, 0))),
    ],
)
def test_the_text_edits_back(
    tile: int, old: str, new: str, bias: tuple[int, int], signs: tuple[tuple[int, ...], ...], tmp_path: Path
) -> None:
    artifact.save(convolution(), tmp_path / "a.apc")
    image = np.random.default_rng(0).integers(0, 16, (5, 2, 4, 4))
    np.savez(tmp_path / "x.npz", image=image.astype(np.uint8))
    text = tmp_path / "a.asm"
    assert main(["disasm", str(tmp_path / "a.apc"), "-o", str(text)]) == 0
    head, *tiles = text.read_text(encoding="utf-8").split("  tile ")[-3:]
    whole = text.read_text(encoding="utf-8")
    assert whole.endswith("  tile ".join([head, *tiles])) and tiles[tile].count(old) == 1
    edited = tiles[tile].replace(old, new)
    text.write_text(whole.replace(tiles[tile], edited), encoding="utf-8")
    assert main(["asm", str(text), "-o", str(tmp_path / "b.apc")]) == 0
    words = ["--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]
    assert main(["run", str(tmp_path / "b.apc"), *words]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["y"], expected(image, bias, signs))
