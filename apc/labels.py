"""The right classes of images, and what a network takes them for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apc.npz import read_npz
from ir.errors import UserError
from ir.program import Boundary, Program


def read_labels(path: str | Path) -> np.ndarray:
    """int64[images] from an .npy file, or an .npz file with one array. Raises UserError for anything else."""
    if Path(path).suffix == ".npz":
        arrays = list(read_npz(path).values())
        if len(arrays) != 1:
            raise UserError(f"{path}: has {len(arrays)} arrays: labels are one array, the class of each image")
        (labels,) = arrays
    else:
        try:
            labels = np.load(path, allow_pickle=False)
        except (ValueError, EOFError):
            raise UserError(f"{path}: cannot be read as an .npy array; save it with numpy.save(path, labels)") from None
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise UserError(
            f"{path}: labels are class numbers from 0 on, one an image; this is an array of {labels.dtype} of shape "
            f"{labels.shape}"
        )
    return labels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Classifier:
    """``output``: the name of the network output that holds a score for each class; ``labels``: int64[images], if
    known."""

    output: str
    labels: np.ndarray | None = None

    @staticmethod
    def of(program: Program, labels: np.ndarray | None, images: int) -> Classifier:
        """By the smallest output that has all of ``labels``; without labels by the first one. Raises UserError where no
        output is so large, or there is not one label an image."""
        if labels is None:
            return Classifier(program.outputs[0].name)
        if len(labels) != images:
            raise UserError(f"--labels: there are {len(labels)} labels for {images} images")
        most = int(np.max(labels))
        sizes = {boundary.name: _size(program, boundary) for boundary in program.outputs}
        large = [name for name in sizes if sizes[name] > most]
        if not large:
            shown = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise UserError(f"--labels: there is a class {most}, but no output has so many classes ({shown})")
        return Classifier(min(large, key=lambda name: sizes[name]), np.asarray(labels))

    def classes(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """What each image is taken for: int64[images], the first class with the highest score. ``outputs``: by ONNX
        name."""
        scores = outputs[self.output]
        return np.asarray(scores.reshape(len(scores), -1).argmax(axis=1), np.int64)

    def accuracy(self, outputs: Mapping[str, np.ndarray]) -> float | None:
        """Share of all images that are taken for what they are, where that is known."""
        return None if self.labels is None else float((self.classes(outputs) == self.labels).mean())


def _size(program: Program, boundary: Boundary) -> int:
    tensor = program.tensors[boundary.tensor]
    return tensor.channels * tensor.positions
