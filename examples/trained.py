"""What the trained examples share: data sets, cached checkpoints, the files they write."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch
from torch import nn

from examples.common import onnxruntime_outputs, save_npz, save_onnx, write_whole
from examples.qat import ResidualNet, export_frozen, predict

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Dataset:
    """float32 images (N, 1, H, W) and int64 labels (N,)."""

    train_images: np.ndarray
    test_images: np.ndarray
    train_labels: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Test accuracy of the frozen PyTorch network and of its ONNX file in onnxruntime."""

    images: int
    torch_accuracy: float
    onnxruntime_accuracy: float
    equal_predictions: int
    equal_logits: float

    def __str__(self) -> str:
        return (
            f"test accuracy {100 * self.torch_accuracy:.2f} % (onnxruntime {100 * self.onnxruntime_accuracy:.2f} %), "
            f"{self.equal_predictions} of {self.images} predictions and {100 * self.equal_logits:.2f} % of logits equal"
        )


def trained(
    net: Net,
    train: Callable[[Net], None],
    *,
    name: str,
    settings: object,
    sources: Sequence[Path],
    cache: Path | None,
) -> None:
    """Run ``train(net)``, or load what an earlier call with equal ``settings`` and unchanged source files left."""
    if cache is None:
        train(net)
        return
    digest = hashlib.sha256(repr(settings).encode())
    for file in sources:
        digest.update(file.read_bytes())
    path = cache / f"{name}-{digest.hexdigest()[:16]}.pt"
    if path.is_file():
        net.load_state_dict(torch.load(path, weights_only=True))
        return
    train(net)
    write_whole(path, lambda temporary: torch.save(net.state_dict(), temporary))


def write_files(net: ResidualNet, data: Dataset, folder: Path, name: str) -> onnx.ModelProto:
    """Write NAME.onnx, NAME_test.npz (key ``input``) and NAME_labels.npz (key ``labels``); returns the model."""
    proto = export_frozen(net, torch.from_numpy(data.test_images[:2]))
    save_onnx(proto, folder / f"{name}.onnx")
    save_npz(folder / f"{name}_test.npz", "input", data.test_images)
    save_npz(folder / f"{name}_labels.npz", "labels", data.test_labels)
    return proto


def evaluate(net: ResidualNet, proto: onnx.ModelProto, data: Dataset) -> Evaluation:
    """Accuracy on the test images, in PyTorch and in onnxruntime, and where the two agree."""
    ours = predict(net, torch.from_numpy(data.test_images))
    theirs = onnxruntime_outputs(proto, data.test_images)
    mine, other = ours.argmax(axis=1), theirs.argmax(axis=1)
    return Evaluation(
        images=len(mine),
        torch_accuracy=float(np.mean(mine == data.test_labels)),
        onnxruntime_accuracy=float(np.mean(other == data.test_labels)),
        equal_predictions=int(np.sum(mine == other)),
        equal_logits=float(np.mean(ours == theirs)),
    )
