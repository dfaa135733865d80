"""ResNet-18 with ternary weights and 4-bit activations, as QDQ ONNX: the network that apc's figures are about.

    python examples/resnet18.py -o resnet18.onnx

Weights are drawn, not trained: ternary at a given density of nonzeros x a positive scale per output channel; batch
norm statistics and activation scales are measured on crops of two photos, so that values spread as in a trained
network. The stem and the classifier are int8 unless ``--ternary-ends``. Beside the model, an input .npz is written.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from apc.quantize import quantize_model
from examples.common import one_thread, onnxruntime_outputs, photo_crops, save_npz, save_onnx, to_onnx

CALIBRATION_IMAGES = 4
INPUT_SEED_OFFSET = 1000


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the identity, or a 1x1 convolution where the shape changes."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    """Stem, four stages of two basic blocks, global average, classifier."""

    def __init__(self, num_classes: int, width: int, in_channels: int, small_input: bool) -> None:
        super().__init__()
        if small_input:
            self.conv1 = nn.Conv2d(in_channels, width, 3, 1, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool: nn.Module = nn.Identity() if small_input else nn.MaxPool2d(3, 2, 1)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        stages = [
            nn.Sequential(BasicBlock(cin, cout, stride), BasicBlock(cout, cout, 1))
            for cin, cout, stride in zip(widths, widths[1:], (1, 2, 2, 2), strict=False)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(8 * width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def resnet18(num_classes: int = 1000, width: int = 64, in_channels: int = 3, small_input: bool = False) -> ResNet18:
    """ResNet-18; ``width``: channels of the first stage; ``small_input``: 3x3 stem of stride 1 and no max-pool."""
    return ResNet18(num_classes, width, in_channels, small_input)


def draw_weights(model: ResNet18, density: float, ternary_ends: bool, seed: int) -> None:
    """Fill every layer: levels in {-1, 0, 1}, each channel with the same count of nonzeros, x 0.5 to 1.5 of He's scale.

    The ends are normal floats unless ``ternary_ends``. Batch norm gets a seeded gain and shift; its statistics follow
    from ``settle``.
    """
    generator = np.random.default_rng(seed)
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            channels, inputs = module.weight.shape[0], module.weight[0].numel()
            if name in ("conv1", "fc") and not ternary_ends:
                values = generator.standard_normal((channels, inputs)) / np.sqrt(inputs)
            else:
                nonzeros = max(1, round(density * inputs))
                places = generator.permuted(np.tile(np.arange(inputs) < nonzeros, (channels, 1)), axis=1)
                levels = places * generator.choice([-1.0, 1.0], (channels, inputs))
                values = levels * generator.uniform(0.5, 1.5, (channels, 1)) * np.sqrt(2 / nonzeros)
            module.weight.data = torch.from_numpy(values.astype(np.float32)).reshape(module.weight.shape)
        elif isinstance(module, nn.BatchNorm2d):
            residual = name.endswith("bn2")
            gain = generator.uniform(0.3, 0.7, module.num_features) * (1 if residual else 2)
            shift = generator.normal(0, 0.2, module.num_features)
            module.weight.data = torch.from_numpy(gain.astype(np.float32))
            module.bias.data = torch.from_numpy(shift.astype(np.float32))
    model.fc.bias.data = torch.from_numpy(generator.normal(0, 0.1, model.fc.out_features).astype(np.float32))


def settle(model: ResNet18, images: np.ndarray) -> None:
    """Give batch norm the mean and variance that it meets on ``images``."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    with torch.no_grad(), one_thread():
        model(torch.from_numpy(images))
    model.eval()


def build(
    *,
    size: int = 224,
    width: int = 64,
    num_classes: int = 1000,
    density: float = 0.2,
    ternary_ends: bool = False,
    small_input: bool = False,
    seed: int = 0,
) -> tuple[ResNet18, np.ndarray]:
    """The float network with ternary-valued weights, and the photo crops that it was settled on."""
    images = photo_crops(CALIBRATION_IMAGES, size, seed)
    model = resnet18(num_classes, width, small_input=small_input)
    draw_weights(model, density, ternary_ends, seed)
    settle(model, images)
    return model, images


def export(
    model: ResNet18, images: np.ndarray, *, batch: int = 1, activations: int = 4, exact: bool = True, seed: int = 0
) -> tuple[onnx.ModelProto, np.ndarray]:
    """Quantised ONNX with a fixed batch, and ``batch`` photo crops that were not calibrated on.

    ``exact``: scales with which onnxruntime's float32 equals exact arithmetic. Untrained weights amplify differences
    from layer to layer: with arbitrary scales, the few early values that float32 rounds otherwise reach the logits.
    """
    size = images.shape[-1]
    inputs = photo_crops(batch, size, seed + INPUT_SEED_OFFSET)
    proto = to_onnx(model, torch.from_numpy(inputs))
    quantised = quantize_model(
        proto,
        weights="keep",
        activations=activations,
        first_last="int8",
        calibration={"input": images},
        exact=exact,
    )
    return quantised.model, inputs


def main() -> None:
    parser = argparse.ArgumentParser(description="write a ternary ResNet-18 as QDQ ONNX, with an input")
    parser.add_argument("-o", "--output", type=Path, default=Path("resnet18.onnx"))
    parser.add_argument("--input", type=Path, help="where the input .npz goes (default: OUTPUT's name + _input.npz)")
    parser.add_argument("--size", type=int, default=224, help="height and width of the image")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--density", type=float, default=0.2, help="share of nonzero weights")
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--activations", type=int, default=4, help="bits of an activation")
    parser.add_argument("--ternary-ends", action="store_true", help="ternary stem and classifier instead of int8")
    parser.add_argument("--small-input", action="store_true", help="3x3 stem of stride 1 and no max-pool")
    parser.add_argument("--float-scales", action="store_true", help="arbitrary scales, which float32 rounds")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    start = time.perf_counter()
    model, images = build(
        size=args.size,
        width=args.width,
        num_classes=args.classes,
        density=args.density,
        ternary_ends=args.ternary_ends,
        small_input=args.small_input,
        seed=args.seed,
    )
    proto, inputs = export(
        model,
        images,
        batch=args.batch,
        activations=args.activations,
        exact=not args.float_scales,
        seed=args.seed,
    )
    input_path = args.input or args.output.with_name(f"{args.output.stem}_input.npz")
    save_onnx(proto, args.output)
    save_npz(input_path, "input", inputs)
    logits = onnxruntime_outputs(proto, inputs)
    top = ", ".join(str(index) for index in logits.argmax(axis=1))
    size_mb = args.output.stat().st_size / 1e6
    print(f"{args.output}: {size_mb:.1f} MB; {input_path}: {list(inputs.shape)}; onnxruntime's top class: {top}")
    print(f"{time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
