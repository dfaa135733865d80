"""ResNet-18 with ternary weights and 4-bit activations, as QDQ ONNX: the network that apc's figures are about.

    python examples/resnet18.py -o resnet18.onnx

Weights are drawn, not trained (``examples.drawn``). The stem and the classifier are int8 unless ``--ternary-ends``.
Beside the model, an input .npz is written.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from examples.drawn import command_line, draw, write


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
    model = resnet18(num_classes, width, small_input=small_input)
    images = draw(model, size=size, density=density, ternary_ends=ternary_ends, seed=seed, branches=("bn2",))
    return model, images


def main() -> None:
    parser = command_line("ResNet-18", output="resnet18.onnx", size=224, width=64, classes=1000)
    parser.add_argument("--small-input", action="store_true", help="3x3 stem of stride 1 and no max-pool")
    args = parser.parse_args()
    write(args, build, small_input=args.small_input)


if __name__ == "__main__":
    main()
