"""VGG-9 and VGG-11 with ternary weights and 4-bit activations, as QDQ ONNX, for 32x32 images (CIFAR's size) or larger.

    python examples/vgg.py --layers 9 -o vgg9.onnx

Weights are drawn, not trained (``examples.drawn``). The first convolution and the last linear layer are int8 unless
``--ternary-ends``. Beside the model, an input .npz is written.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from examples.drawn import command_line, draw, write

STAGES = {9: ((1, 1), (2, 2), (4, 4)), 11: ((1,), (2,), (4, 4), (8, 8), (8, 8))}
"""By layers: the convolutions between two max-pools, their channels as multiples of the first one's."""
LARGEST_FLATTENED = 32
"""Maps of larger images are averaged before the linear layers: flattened, they would be most of the network."""


class VGG(nn.Module):
    """3x3 convolutions with batch norm and ReLU, a max-pool after each stage, three linear layers."""

    def __init__(self, layers: int, size: int, width: int, num_classes: int) -> None:
        super().__init__()
        features: OrderedDict[str, nn.Module] = OrderedDict()
        cin, number = 3, 0
        for stage, multiples in enumerate(STAGES[layers], 1):
            for multiple in multiples:
                number += 1
                features[f"conv{number}"] = nn.Conv2d(cin, multiple * width, 3, 1, 1, bias=False)
                features[f"bn{number}"] = nn.BatchNorm2d(multiple * width)
                features[f"relu{number}"] = nn.ReLU()
                cin = multiple * width
            features[f"pool{stage}"] = nn.MaxPool2d(2)
        side = size >> len(STAGES[layers])
        self.features = nn.Sequential(features)
        self.mean: nn.Module = nn.Identity()
        if size > LARGEST_FLATTENED:
            self.mean, side = nn.AdaptiveAvgPool2d(1), 1
        self.fc1 = nn.Linear(cin * side * side, 8 * width)
        self.fc2 = nn.Linear(8 * width, 8 * width)
        self.fc3 = nn.Linear(8 * width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.flatten(self.mean(self.features(x)), 1)
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def build(
    *,
    layers: int = 9,
    size: int = 32,
    width: int = 64,
    num_classes: int = 10,
    density: float = 0.2,
    ternary_ends: bool = False,
    seed: int = 0,
) -> tuple[VGG, np.ndarray]:
    """The float network with ternary-valued weights, and the photo crops that it was settled on."""
    model = VGG(layers, size, width, num_classes)
    return model, draw(model, size=size, density=density, ternary_ends=ternary_ends, seed=seed)


def main() -> None:
    parser = command_line("VGG-9 or VGG-11", output="vgg.onnx", size=32, width=64, classes=10)
    parser.add_argument("--layers", type=int, choices=sorted(STAGES), default=9)
    args = parser.parse_args()
    write(args, build, layers=args.layers)


if __name__ == "__main__":
    main()
