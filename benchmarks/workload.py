"""The network that is measured: its files in a folder, made when they are first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.processes import APC, Usage, measure

if TYPE_CHECKING:
    from examples.resnet18 import ResNet18
    from ir.program import Program

DENSITY = 0.2


@dataclass(frozen=True)
class Size:
    """The network's size, and how often timed things are repeated."""

    image: int
    width: int
    classes: int
    batch: int
    threads: int
    repetitions: int


FULL = Size(image=224, width=64, classes=1000, batch=32, threads=2, repetitions=7)
QUICK = Size(image=32, width=8, classes=10, batch=2, threads=2, repetitions=1)


@dataclass(frozen=True)
class Workload:
    """ResNet-18 with ternary weights of density 0.2, 4-bit activations, int8 ends; photo crops as input."""

    size: Size
    folder: Path

    @cached_property
    def float_network(self) -> tuple[ResNet18, np.ndarray]:
        """The PyTorch module in float32 (evaluation mode), and the crops it was settled on."""
        from examples.resnet18 import build

        size = self.size
        return build(size=size.image, width=size.width, num_classes=size.classes, density=DENSITY)

    @cached_property
    def model(self) -> Path:
        """The quantised ONNX file."""
        return self._export("resnet18.onnx", exact=True)

    @cached_property
    def float_scales_model(self) -> Path:
        """The same with arbitrary activation scales, in which onnxruntime's float32 has to round."""
        return self._export("resnet18_float_scales.onnx", exact=False)

    @cached_property
    def ternary_model(self) -> Path:
        """The network with a ternary stem and classifier too."""
        return self.ternary(DENSITY)

    def ternary(self, density: float) -> Path:
        """The same with another share of nonzero weights; its file is made once."""
        from examples.resnet18 import build

        size, path = self.size, self.folder / f"resnet18_ternary_{density}.onnx"
        if not path.exists():
            options = {"size": size.image, "width": size.width, "num_classes": size.classes}
            self._save(build(**options, density=density, ternary_ends=True), path, exact=True)
        return path

    @cached_property
    def compilation(self) -> Usage:
        """What `apc compile -O0` took."""
        return self.compile(self.model)

    @cached_property
    def program_path(self) -> Path:
        self.compilation  # noqa: B018 - it writes the file
        return self.model.with_suffix(".apc")

    @cached_property
    def program(self) -> Program:
        return self.program_at("O0")

    def program_at(self, level: str) -> Program:
        """The network compiled at a level ("O0", ...)."""
        import apc

        return apc.load(self._path_at(level))

    def _path_at(self, level: str) -> Path:
        if level == "O0":
            return self.program_path
        path = self.model.with_suffix(f".{level}.apc")
        if not path.exists():
            measure([APC, "compile", str(self.model), f"-{level}", "-o", str(path)])
        return path

    def images(self, count: int) -> np.ndarray:
        """float32 (count, 3, image, image): crops that were not calibrated on."""
        from examples.common import photo_crops
        from examples.drawn import INPUT_SEED_OFFSET

        return photo_crops(count, self.size.image, INPUT_SEED_OFFSET)

    def images_file(self, count: int) -> Path:
        """An input .npz for `apc run`."""
        from examples.common import save_npz

        path = self.folder / f"images_{count}.npz"
        if not path.exists():
            save_npz(path, "input", self.images(count))
        return path

    def compile(self, model: Path) -> Usage:
        """`apc compile -O0` of an .onnx file to an .apc file beside it."""
        return measure([APC, "compile", str(model), "-O0", "-o", str(model.with_suffix(".apc"))])

    def simulate(
        self,
        count: int,
        environment: dict[str, str] | None = None,
        level: str = "O0",
        options: tuple[str, ...] = (),
    ) -> Usage:
        """`apc run` of a batch of ``count`` images."""
        command = [APC, "run", str(self._path_at(level)), "--input", str(self.images_file(count))]
        return measure([*command, "--threads", str(self.size.threads), *options], environment)

    def _export(self, name: str, *, exact: bool) -> Path:
        path = self.folder / name
        self._save(self.float_network, path, exact=exact)
        return path

    def _save(self, network: tuple[ResNet18, np.ndarray], path: Path, *, exact: bool) -> None:
        from examples.common import save_onnx
        from examples.drawn import export

        save_onnx(export(*network, exact=exact)[0], path)
