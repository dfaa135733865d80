"""ResNet-50 (v1.5) with ternary weights and 4-bit activations, as QDQ ONNX: a deep network of bottleneck blocks.

    python examples/resnet50.py -o resnet50.onnx

Weights are drawn, not trained (``examples.drawn``). The stem and the classifier are int8 unless ``--ternary-ends``.
Beside the model, an input .npz is written.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from examples.drawn import command_line, draw, write

BLOCKS = (3, 4, 6, 3)
"""Blocks of each stage."""
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 (which has the stride, as in v1.5) and 1x1 convolutions; and the identity, or a 1x1 convolution."""

    def __init__(self, cin: int, channels: int, stride: int) -> None:
        super().__init__()
        cout = EXPANSION * channels
        self.conv1 = nn.Conv2d(cin, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """Stem, max-pool, four stages of bottleneck blocks, global average, classifier."""

    def __init__(self, blocks: tuple[int, ...], num_classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages, cin = [], width
        for stage, count in enumerate(blocks):
            channels = width << stage
            first = Bottleneck(cin, channels, 2 if stage else 1)
            cin = EXPANSION * channels
            stages.append(nn.Sequential(first, *(Bottleneck(cin, channels, 1) for _ in range(count - 1))))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(cin, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def build(
    *,
    size: int = 224,
    width: int = 64,
    num_classes: int = 1000,
    density: float = 0.2,
    ternary_ends: bool = False,
    blocks: tuple[int, ...] = BLOCKS,
    seed: int = 0,
) -> tuple[ResNet50, np.ndarray]:
    """The float network with ternary-valued weights, and the photo crops that it was settled on."""
    model = ResNet50(blocks, num_classes, width)
    images = draw(model, size=size, density=density, ternary_ends=ternary_ends, seed=seed, branches=("bn3",))
    return model, images


def main() -> None:
    args = command_line("ResNet-50", output="resnet50.onnx", size=224, width=64, classes=1000).parse_args()
    write(args, build)


if __name__ == "__main__":
    main()
