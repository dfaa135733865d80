"""What the examples share: photo crops, quiet ONNX export, files written whole."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from apc.quantize.onnx_graph import name_by_module

CACHE = Path(__file__).resolve().parent.parent / ".cache"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def photo_crops(count: int, size: int, seed: int) -> np.ndarray:
    """Normalised square crops of scikit-learn's two sample photos (china.jpg, flower.jpg), in turn.

    Returns float32 (count, 3, size, size): seeded places, sides from ``size`` (at most 320) to 427 pixels, scaled down.
    """
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng(seed)
    photos = load_sample_images().images
    crops = []
    for number in range(count):
        photo = photos[number % len(photos)]
        height, width = photo.shape[:2]
        side = int(generator.integers(min(max(size, 160), 320), min(height, width) + 1))
        top = int(generator.integers(0, height - side + 1))
        left = int(generator.integers(0, width - side + 1))
        crop = torch.from_numpy(photo[top : top + side, left : left + side].astype(np.float32) / 255)
        image = crop.permute(2, 0, 1)[None]
        crops.append(nn.functional.interpolate(image, (size, size), mode="bilinear", antialias=True))
    images = torch.cat(crops).numpy()
    mean, deviation = (np.array(value, np.float32).reshape(1, 3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    return np.ascontiguousarray((images - mean) / deviation)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run PyTorch on one thread: the same sums whatever the machine, and small layers gain little from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def to_onnx(
    model: nn.Module,
    example: torch.Tensor,
    *,
    any_batch: bool = False,
    translations: dict[Callable[..., object], Callable[..., object]] | None = None,
) -> onnx.ModelProto:
    """``torch.onnx.export`` (dynamo) in memory; tensors ``input`` and ``logits``; no log noise, no local paths.

    ``any_batch``: leave the batch symbolic. ``translations``: ONNX functions for custom torch operations.
    """
    shapes = ({0: torch.export.Dim("batch")},) if any_batch else None
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model.eval(),
            (example,),
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["input"],
            output_names=["logits"],
            dynamic_shapes=shapes,
            custom_translation_table=translations,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no model")
    proto = program.model_proto
    proto.ir_version = min(proto.ir_version, 10)
    name_by_module(proto.graph.node)
    for node in proto.graph.node:
        del node.metadata_props[:]
    return proto


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    write_whole(path, lambda temporary: onnx.save(model, temporary))


def save_npz(path: Path, name: str, array: np.ndarray) -> None:
    """An .npz file with one array: the same bytes for the same array."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{name: array})

    write_whole(path, write)


def onnxruntime_outputs(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    """The logits of onnxruntime without graph optimisation (its fused kernels round differently)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input": images})[0]
