"""A small residual network with ternary weights and 4-bit activations, trained on scikit-learn's 8x8 digits.

    python examples/digits.py --output digits

writes digits.onnx, digits_test.npz (the test images under the ONNX input's name) and digits_labels.npz.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from examples import qat
from examples.common import CACHE
from examples.qat import ResidualNet, fit
from examples.trained import Dataset, evaluate, trained, write_files


@dataclass(frozen=True)
class Settings:
    """What a training run depends on."""

    epochs: int = 25
    width: int = 16
    batch: int = 64
    rate: float = 0.01
    bits: int = 4
    seed: int = 0


DEFAULTS = Settings()


def load_data() -> Dataset:
    """1,437 training and 360 test images, stratified; pixels are multiples of 1/16."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    parts = train_test_split(images, digits.target, test_size=360, stratify=digits.target, random_state=0)
    return Dataset(*parts)


def build(settings: Settings) -> ResidualNet:
    """The untrained network."""
    torch.manual_seed(settings.seed)
    width = settings.width
    return ResidualNet([(width, 1), (2 * width, 2)], classes=10, bits=settings.bits, pixel_scale=1 / 16)


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
            reach=1,
            seed=settings.seed,
        )

    trained(net, run, name="digits", settings=settings, sources=(Path(__file__), Path(qat.__file__)), cache=cache)
    net.freeze(images)
    return net


def export(net: ResidualNet, folder: Path) -> onnx.ModelProto:
    """Write digits.onnx, digits_test.npz and digits_labels.npz into ``folder``; returns the model."""
    return write_files(net, load_data(), folder, "digits")


def main() -> None:
    parser = argparse.ArgumentParser(description="train a ternary residual network on scikit-learn's digits")
    parser.add_argument("--output", type=Path, default=Path("digits"), metavar="DIR")
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where checkpoints are kept")
    args = parser.parse_args()
    start = time.perf_counter()
    net = train(Settings(epochs=args.epochs, seed=args.seed), cache=args.cache)
    ready = time.perf_counter()
    proto = export(net, args.output)
    print(evaluate(net, proto, load_data()))
    path, done = args.output / "digits.onnx", time.perf_counter()
    print(f"{path}; training {ready - start:.1f} s, export {done - ready:.1f} s")


if __name__ == "__main__":
    main()
