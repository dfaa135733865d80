"""Two plain torch networks for 28x28 images, as anyone would write them: a small vision transformer and a small ResNet.

Nothing in them knows of hardware: ``apc.nn.convert`` does the rest.
"""

from __future__ import annotations

import torch
from torch import nn


class VisionTransformer(nn.Module):
    """Dosovitskiy et al. 2021, small: patches, learned positions, pre-norm encoder layers, mean over the tokens.

    ``patch``: its side, which divides the image's 28 pixels; images are float32 (N, 1, 28, 28).
    """

    def __init__(self, width: int = 64, depth: int = 3, heads: int = 4, patch: int = 7, classes: int = 10) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, (28 // patch) ** 2, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.classifier(self.norm(self.encoder(tokens)).mean(1))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and the identity, or a 1x1 convolution where the shape changes."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(cout)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A stem of stride 2, a residual block for each of ``widths``, the later ones of stride 2, average, classifier."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64), classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, widths[0], 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        wide = (widths[0], *widths)
        self.blocks = nn.Sequential(
            *(ResidualBlock(wide[place], width, 2 if place else 1) for place, width in enumerate(widths))
        )
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.blocks(torch.relu(self.norm(self.stem(x))))
        return self.classifier(y.mean((2, 3)))
