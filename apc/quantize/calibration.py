"""Ranges of activations, from runs of the float model in onnxruntime, and the scales they give."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx

from apc.onnxruntime_session import open_session
from apc.options import Progress, silent
from apc.quantize.onnx_graph import OnnxGraph
from ir.errors import UserError

SAMPLES_PER_TENSOR = 1 << 21
DEFAULT_IMAGES = 4
BATCH = 16


@dataclass
class Observed:
    """What calibration saw of one tensor: the exact extremes, and an evenly strided sample of its values."""

    low: float = np.inf
    high: float = -np.inf
    parts: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray, stride: int) -> None:
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        self.parts.append(values.reshape(-1)[::stride].copy())

    @property
    def sample(self) -> np.ndarray:
        """All sampled values, float32, 1-d."""
        return np.concatenate(self.parts)


def activation_range(observed: list[Observed], method: str, percentile: float) -> tuple[float, float]:
    """(low, high) around 0 that a quantiser must cover, over all the tensors that share it.

    "percentile" cuts the outer (100 - percentile) % of the values off at each end, but never down to an empty range.
    """
    low, high = min(one.low for one in observed), max(one.high for one in observed)
    if method == "percentile":
        values = np.concatenate([one.sample for one in observed])
        cut_low, cut_high = (float(cut) for cut in np.percentile(values, [100 - percentile, percentile]))
        if min(cut_low, 0) < max(cut_high, 0):
            low, high = cut_low, cut_high
    return min(low, 0.0), max(high, 0.0)


def activation_scale(low: float, high: float, bits: int, signed: bool) -> np.float32:
    """The float32 scale whose integers of ``bits`` bits cover [low, high]; 1 where the range has no width."""
    if signed:
        reach = max(high / ((1 << (bits - 1)) - 1), -low / (1 << (bits - 1)))
    else:
        reach = high / ((1 << bits) - 1)
    scale = np.float32(reach)
    return scale if scale > 0 else np.float32(1)


def observe(
    graph: OnnxGraph, tensors: list[str], feeds: dict[str, np.ndarray], progress: Progress = silent
) -> dict[str, Observed]:
    """Run ``graph`` on ``feeds`` (batch first) and collect every tensor of ``tensors``. ``progress`` counts images.

    UserError where onnxruntime refuses the model or a tensor is not finite.
    """
    model = graph.to_model()
    known = graph.output_names
    inputs = {value.name for value in graph.inputs}
    for name in tensors:
        if name not in known and name not in inputs:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    wanted = [name for name in tensors if name not in inputs]
    observed = {name: Observed() for name in tensors}
    images = len(next(iter(feeds.values())))
    batch = fixed_batch(graph) or min(images, BATCH)
    strides: dict[str, int] = {}
    with open_session(model, "calibration: onnxruntime cannot run the model") as session:
        for start in range(0, images, batch):
            progress(start, images, "calibrating")
            chunk = {name: _filled(value[start : start + batch], batch) for name, value in feeds.items()}
            results = dict(zip(wanted, session.run(wanted, chunk) if wanted else [], strict=True))
            for name in tensors:
                value = results[name] if name in results else chunk[name]
                if not np.isfinite(value).all():
                    raise UserError(f"calibration: tensor {name} is not finite; check the model and the data")
                stride = strides.setdefault(name, 1 + value.size * -(-images // batch) // SAMPLES_PER_TENSOR)
                observed[name].add(value, stride | 1)
    return observed


def fixed_batch(graph: OnnxGraph) -> int | None:
    """The batch that the graph's inputs fix, None where it is symbolic."""
    for value in graph.inputs:
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and dimensions[0].HasField("dim_value"):
            return dimensions[0].dim_value
    return None


def random_feeds(graph: OnnxGraph, seed: int) -> dict[str, np.ndarray]:
    """Standard-normal images for every input; UserError where a dimension but the batch is symbolic."""
    generator = np.random.default_rng(seed)
    feeds = {}
    for value in graph.inputs:
        shape = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        if not shape or 0 in shape[1:]:
            raise UserError(f"input {value.name} has no fixed shape; give calibration data")
        feeds[value.name] = generator.standard_normal((DEFAULT_IMAGES, *shape[1:])).astype(np.float32)
    return feeds


def check_feeds(graph: OnnxGraph, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``feeds`` as float32, or UserError naming the array that does not fit the graph's inputs."""
    names = [value.name for value in graph.inputs]
    if set(feeds) != set(names):
        raise UserError(f"calibration: arrays {sorted(feeds)} do not match the model's inputs {sorted(names)}")
    checked = {}
    for value in graph.inputs:
        name, array = value.name, np.asarray(feeds[value.name])
        if array.dtype.kind not in "fiub":
            raise UserError(f"calibration: array {name} has type {array.dtype}; give float32 numbers")
        wanted = [d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim]
        fits = array.ndim == len(wanted) and all(
            want in (None, have) for want, have in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not fits or array.size == 0:
            shown = ["batch", *("?" if want is None else want for want in wanted[1:])]
            raise UserError(f"calibration: array {name} has shape {list(array.shape)}, the model takes {shown}")
        if not np.isfinite(array).all():
            raise UserError(f"calibration: array {name} holds NaN or infinity")
        checked[name] = array.astype(np.float32)
    if len({len(array) for array in checked.values()}) > 1:
        raise UserError("calibration: the arrays hold different numbers of images")
    return checked


def _filled(chunk: np.ndarray, batch: int) -> np.ndarray:
    """``chunk`` repeated up to ``batch`` images."""
    return np.take(chunk, np.arange(batch), axis=0, mode="wrap") if len(chunk) != batch else chunk
