"""Small networks that tests convert."""

from __future__ import annotations

import torch
from torch import nn

from apc.nn.calibration import simulated_layers
from apc.nn.simulated import SimulatedLayer


def random(*shape: int, seed: int = 0, positive: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    make = torch.rand if positive else torch.randn
    return make(*shape, generator=generator)


def seeded(make: type[nn.Module], *arguments: object, **options: object) -> nn.Module:
    """A module with seeded parameters, in evaluation mode."""
    torch.manual_seed(0)
    return make(*arguments, **options).eval()


class ConvNet(nn.Module):
    """Two convolutions with batch norm, a residual one, a classifier; 1 x 8 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding="same", groups=2), nn.ReLU())
        self.head = nn.Linear(8, 5)
        self.norm.running_mean = torch.linspace(-0.2, 0.2, 8)
        self.norm.running_var = torch.linspace(0.5, 1.5, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        return self.head((self.body(x) + x).mean((2, 3)))


class Transformer(nn.Module):
    """One patch embedding and two encoder layers; 1 x 8 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 16, 4, 4)
        self.cls = nn.Parameter(torch.zeros(1, 1, 16))
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(x.shape[0], -1, -1), tokens], 1)
        return self.head(self.encoder(tokens)[:, 0])


def only_layer(model: nn.Module) -> SimulatedLayer:
    (layer,) = simulated_layers(model)
    return layer


class Windows(nn.Module):
    """A matrix that reads four windows of an image in turn, whose results are added; 1 x 8 x 8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        windows = x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(-1, 16)
        return self.linear(windows).reshape(len(x), 4, 3).sum(1)
