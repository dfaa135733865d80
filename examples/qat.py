"""Quantisation-aware training: ternary, binary and int8 layers, N-bit activations, freezing, and their ONNX forms.

Training sees quantised weights and activations and passes gradients straight through the rounding. ``freeze`` then
folds batch norm and fixes integers and scales: what is exported and evaluated is that frozen network. Activation
scales are powers of two and frozen weight scales have few bits, so that float32 arithmetic on them is exact
(``apc.quantize.exact``) and PyTorch, onnxruntime and integer arithmetic give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import onnx
import torch
from torch import nn

from apc.nn.operators import dequantise, fake_quantise, onnx_translations
from apc.nn.quantisers import straight_through
from apc.quantize.exact import round_bias, round_scale, scale_bits
from apc.quantize.weights import TWN_THRESHOLD, quantise_weights
from examples.common import one_thread, to_onnx

BRANCH_BITS = 4
"""Fewest bits of a residual branch. No layer reads it: it is added to the identity, and the sum is quantised again."""


class ActivationQuantiser(nn.Module):
    """Symmetric N-bit quantiser with a learned power-of-two scale, set from the first batch that it sees."""

    ready: torch.Tensor

    def __init__(self, bits: int, signed: bool) -> None:
        super().__init__()
        self.low = -(1 << (bits - 1)) if signed else 0
        self.high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
        self.exponent = nn.Parameter(torch.zeros(()))
        self.register_buffer("ready", torch.tensor(False))
        self.frozen_scale: float | None = None

    @property
    def scale(self) -> float:
        return float(2.0 ** torch.round(self.exponent.detach()))

    def cover(self, x: torch.Tensor, share: float) -> None:
        """Set the scale so that this share of the magnitudes fits."""
        magnitudes = x.detach().abs().flatten()
        reach = float(np.quantile(magnitudes.numpy(), share)) / self.high
        exponent = np.log2(max(reach, 2.0**-20))
        self.exponent.data.fill_(float(np.ceil(exponent) if share == 1 else exponent))
        self.ready.fill_(True)

    def freeze(self) -> None:
        self.frozen_scale = self.scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.frozen_scale is not None:
            return fake_quantise(x, self.frozen_scale, self.low, self.high)
        if not self.ready:
            self.cover(x, 0.999)
        scale = torch.exp2(straight_through(self.exponent, torch.round(self.exponent)))
        steps = torch.clamp(x / scale, self.low, self.high)
        return straight_through(steps, torch.round(steps)) * scale


class FixedQuantiser(ActivationQuantiser):
    """An unsigned 8-bit quantiser whose scale is given (pixels)."""

    def __init__(self, scale: float) -> None:
        super().__init__(8, signed=False)
        self.exponent = nn.Parameter(torch.tensor(float(np.log2(scale))), requires_grad=False)
        self.ready.fill_(True)


class Layer(nn.Module):
    """A convolution or linear layer with quantised weights and, for convolutions, batch norm.

    ``kind``: "ternary" (TWN), "binary" (+1/-1) or "int8", per output channel. ``levels``, ``level_scale`` and
    ``level_bias`` exist once frozen.
    """

    levels: torch.Tensor
    level_scale: torch.Tensor
    level_bias: torch.Tensor

    def __init__(self, kind: str, inner: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.kind = kind
        self.inner = inner
        self.norm = nn.BatchNorm2d(inner.out_channels) if isinstance(inner, nn.Conv2d) else None
        self.frozen = False

    def freeze(self, source: ActivationQuantiser) -> None:
        """Fold batch norm and fix levels, scales and bias; ``source`` quantises this layer's input."""
        quantised = quantise_weights(self.inner.weight.detach().numpy(), self.kind)
        outputs = len(quantised.scale)
        factor, shift = np.ones(outputs), np.zeros(outputs)
        if self.inner.bias is not None:
            shift = self.inner.bias.detach().double().numpy()
        if self.norm is not None and self.norm.running_var is not None and self.norm.running_mean is not None:
            deviation = torch.sqrt(self.norm.running_var.double() + self.norm.eps)
            gain = self.norm.weight.detach().double() / deviation
            factor = gain.numpy()
            shift = (self.norm.bias.detach().double() - self.norm.running_mean.double() * gain).numpy()
        bits = max(1, scale_bits(quantised.levels, 0, max(-source.low, source.high)))
        folded = quantised.scale * np.abs(factor)
        scale = round_scale(np.where(folded > 0, folded, 1.0), bits)
        signs = np.sign(factor).astype(np.int8).reshape(-1, *[1] * (quantised.levels.ndim - 1))
        bias = round_bias(shift, scale, bits, np.float32(source.scale))
        self.register_buffer("levels", torch.from_numpy(quantised.levels * signs))
        self.register_buffer("level_scale", torch.from_numpy(scale))
        self.register_buffer("level_bias", torch.from_numpy(bias))
        self.norm = None
        self.frozen = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.frozen:
            return self._apply_weights(x, dequantise(self.levels, self.level_scale), self.level_bias)
        weight, bias = self.inner.weight, self.inner.bias
        y = self._apply_weights(x, straight_through(weight, QUANTISERS[self.kind](weight)), bias)
        return y if self.norm is None else self.norm(y)

    def _apply_weights(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        if isinstance(self.inner, nn.Linear):
            return nn.functional.linear(x, weight, bias)
        return nn.functional.conv2d(x, weight, bias, self.inner.stride, self.inner.padding)


def _ternary(weight: torch.Tensor) -> torch.Tensor:
    """The TWN weights of ``apc.quantize.weights`` in float32, for training."""
    rows = weight.detach().flatten(1)
    kept = rows.abs() > TWN_THRESHOLD * rows.abs().mean(1, keepdim=True)
    scale = (rows.abs() * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp(min=1)
    return (rows.sign() * kept * scale).reshape(weight.shape)


def _binary(weight: torch.Tensor) -> torch.Tensor:
    rows = weight.detach().flatten(1)
    return (torch.where(rows >= 0, 1.0, -1.0) * rows.abs().mean(1, keepdim=True)).reshape(weight.shape)


def _int8(weight: torch.Tensor) -> torch.Tensor:
    rows = weight.detach().flatten(1)
    scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
    return (torch.round(rows / scale) * scale).reshape(weight.shape)


QUANTISERS = {"ternary": _ternary, "binary": _binary, "int8": _int8}
"""What training sees of float weights, by a layer's kind."""


def conv(kind: str, cin: int, cout: int, kernel: int, stride: int = 1) -> Layer:
    """A padded convolution with batch norm."""
    return Layer(kind, nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and the identity, or a 1x1 convolution where the shape changes.

    Both operands of the addition are quantised: the branch signed, the identity as it came. ``weights``: the kind of
    all three layers.
    """

    def __init__(self, cin: int, cout: int, stride: int, bits: int, weights: str) -> None:
        super().__init__()
        branch_bits = max(bits, BRANCH_BITS)
        self.conv1 = conv(weights, cin, cout, 3, stride)
        self.quantiser1 = ActivationQuantiser(bits, signed=False)
        self.conv2 = conv(weights, cout, cout, 3)
        self.quantiser2 = ActivationQuantiser(branch_bits, signed=True)
        changes = stride != 1 or cin != cout
        self.downsample = conv(weights, cin, cout, 1, stride) if changes else None
        self.quantiser_downsample = ActivationQuantiser(branch_bits, signed=True) if changes else None
        self.quantiser = ActivationQuantiser(bits, signed=False)

    def freeze(self, source: ActivationQuantiser) -> ActivationQuantiser:
        self.conv1.freeze(source)
        self.conv2.freeze(self.quantiser1)
        if self.downsample is not None:
            self.downsample.freeze(source)
        return self.quantiser

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.quantiser1(torch.relu(self.conv1(x)))
        y = self.quantiser2(self.conv2(y))
        if self.downsample is not None and self.quantiser_downsample is not None:
            x = self.quantiser_downsample(self.downsample(x))
        return self.quantiser(torch.relu(y + x))


class ResidualNet(nn.Module):
    """int8 stem, residual blocks, global average, int8 classifier.

    ``blocks``: (channels, stride) of each; ``bits``: of what their layers read; ``weights``: their kind; ``pool``: a
    3x3 max-pool of stride 2 after the stem; images are float32 (N, 1, H, W) on multiples of ``pixel_scale``.
    """

    def __init__(
        self,
        blocks: list[tuple[int, int]],
        classes: int,
        bits: int,
        pixel_scale: float,
        pool: bool = False,
        weights: str = "ternary",
    ) -> None:
        super().__init__()
        width = blocks[0][0]
        self.quantiser_input = FixedQuantiser(pixel_scale)
        self.stem = conv("int8", 1, width, 3)
        self.quantiser_stem = ActivationQuantiser(bits, signed=False)
        self.pool: nn.Module = nn.MaxPool2d(3, 2, 1) if pool else nn.Identity()
        widths = [width] + [channels for channels, _ in blocks]
        self.blocks = nn.ModuleList(
            ResidualBlock(cin, cout, stride, bits, weights) for cin, (cout, stride) in zip(widths, blocks, strict=False)
        )
        self.quantiser_mean = ActivationQuantiser(8, signed=False)
        self.classifier = Layer("int8", nn.Linear(widths[-1], classes))
        self.quantiser_logits = ActivationQuantiser(8, signed=True)
        self.frozen = False

    def freeze(self, images: torch.Tensor) -> None:
        """Fix every integer and scale; the logits' scale so that those of ``images`` fit."""
        source: ActivationQuantiser = self.quantiser_input
        self.stem.freeze(source)
        source = self.quantiser_stem
        for block in self.blocks:
            source = cast(ResidualBlock, block).freeze(source)
        self.classifier.freeze(self.quantiser_mean)
        self.eval()
        with torch.no_grad():
            self.quantiser_logits.cover(torch.cat([self.scores(part) for part in images.split(500)]), 1)
        for module in self.modules():
            if isinstance(module, ActivationQuantiser):
                module.freeze()
        self.frozen = True

    def scores(self, x: torch.Tensor) -> torch.Tensor:
        """The logits before their quantiser."""
        x = self.pool(self.quantiser_stem(torch.relu(self.stem(self.quantiser_input(x)))))
        for block in self.blocks:
            x = block(x)
        return self.classifier(self.quantiser_mean(x.mean((2, 3))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.scores(x)
        return self.quantiser_logits(scores) if self.frozen else scores


def shifted(images: torch.Tensor, reach: int, generator: torch.Generator) -> torch.Tensor:
    """Every image moved by up to ``reach`` pixels each way, zeros moved in."""
    count, _, height, width = images.shape
    padded = nn.functional.pad(images, (reach,) * 4)
    moves = torch.randint(0, 2 * reach + 1, (count, 2), generator=generator)
    rows = (moves[:, :1] + torch.arange(height))[:, None, :, None]
    columns = (moves[:, 1:] + torch.arange(width))[:, None, None, :]
    return padded[torch.arange(count)[:, None, None, None], 0, rows, columns]


@one_thread()
def fit(
    net: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    epochs: int,
    batch: int,
    rate: float,
    reach: int,
    seed: int,
    report: Callable[[int, float], None] | None = None,
) -> None:
    """Train ``net`` with Adam on a one-cycle schedule, images shifted by up to ``reach`` pixels.

    ``report(epoch, mean loss)`` is called after each epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam([weight for weight in net.parameters() if weight.requires_grad], lr=rate)
    steps = epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    net.train()
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        total = 0.0
        for chosen in order.split(batch)[: len(images) // batch]:
            scores = net(shifted(images[chosen], reach, generator))
            loss = nn.functional.cross_entropy(scores, labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if report is not None:
            report(epoch, total * batch / len(images))


def predict(net: ResidualNet, images: torch.Tensor) -> np.ndarray:
    """The frozen network's logits, float32 (N, classes)."""
    with torch.no_grad():
        return torch.cat([net(part) for part in images.split(500)]).numpy()


def export_frozen(net: ResidualNet, example: torch.Tensor) -> onnx.ModelProto:
    """QCDQ ONNX of a frozen network: input ``input``, output ``logits``, any batch, layers named as in PyTorch."""
    proto = to_onnx(net, example, any_batch=True, translations=onnx_translations())
    names = {node.output[0]: node.input[0].removesuffix(".levels") for node in proto.graph.node}
    for node in proto.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            node.name = names[node.input[1]]
    return proto
