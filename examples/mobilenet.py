"""A MobileNet with ternary weights and 4-bit activations, as QDQ ONNX: depthwise 3x3 and pointwise 1x1 convolutions.

    python examples/mobilenet.py -o mobilenet.onnx

Weights are drawn, not trained (``examples.drawn``). The stem and the classifier are int8 unless ``--ternary-ends``.
Beside the model, an input .npz is written.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from examples.drawn import command_line, draw, write

BLOCKS = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *((16, 1),) * 5, (32, 2), (32, 1))
"""Output channels, as multiples of the stem's, and stride of every block."""


class SeparableBlock(nn.Module):
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution; batch norm and ReLU6 after both."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(cin, cin, 3, stride, 1, groups=cin, bias=False)
        self.bn1 = nn.BatchNorm2d(cin)
        self.pointwise = nn.Conv2d(cin, cout, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu6(self.bn1(self.depthwise(x)))
        return nn.functional.relu6(self.bn2(self.pointwise(x)))


class MobileNet(nn.Module):
    """Stem, separable blocks, global average, classifier."""

    def __init__(self, blocks: tuple[tuple[int, int], ...], width: int, num_classes: int, small_input: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1 if small_input else 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = [width, *(multiple * width for multiple, _ in blocks)]
        self.blocks = nn.Sequential(
            *(
                SeparableBlock(cin, cout, stride)
                for cin, cout, (_, stride) in zip(widths, widths[1:], blocks, strict=False)
            )
        )
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(nn.functional.relu6(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


def build(
    *,
    size: int = 224,
    width: int = 32,
    num_classes: int = 1000,
    density: float = 0.2,
    ternary_ends: bool = False,
    small_input: bool = False,
    blocks: tuple[tuple[int, int], ...] = BLOCKS,
    seed: int = 0,
) -> tuple[MobileNet, np.ndarray]:
    """The float network with ternary-valued weights, and the photo crops that it was settled on."""
    model = MobileNet(blocks, width, num_classes, small_input)
    return model, draw(model, size=size, density=density, ternary_ends=ternary_ends, seed=seed)


def main() -> None:
    parser = command_line("MobileNet", output="mobilenet.onnx", size=224, width=32, classes=1000)
    parser.add_argument("--small-input", action="store_true", help="stem of stride 1")
    args = parser.parse_args()
    write(args, build, small_input=args.small_input)


if __name__ == "__main__":
    main()
