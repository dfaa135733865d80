"""A pretrained network onto presets of every kind of hardware: accuracy, energy and latency, and a summary by layer.

    python -m examples.nn.convert_pretrained [--network vit|resnet] [--state FILE.pt] [--hardware NAME ...]

``--state``: a state dict of the plain torch model; without it, what ``examples.nn.train`` trains. ``--hardware``:
presets and files of targets (``apc targets`` lists presets).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

import apc
from examples.common import CACHE
from examples.nn import train
from examples.nn.sweep import CALIBRATION_IMAGES
from examples.nn.train import NETWORKS, mnist
from examples.studies.study import Table

HARDWARE = ("acim-22nm", "crossbar-rram-22nm", "rtm-ap-published")
COLUMNS = ("hardware", "accuracy", "energy_uJ", "latency_us")


def pretrained(network: str, state: Path | None, cache: Path) -> nn.Module:
    """The plain torch model with the weights of a state dict."""
    if state is None:
        return train.network(network, cache)
    net = NETWORKS[network]()
    net.load_state_dict(torch.load(state, weights_only=True))
    return net.eval()


def onto(net: nn.Module, names: list[str], images: int) -> tuple[Table, nn.Module]:
    """Accuracy on the first test images, energy and latency of one, on every hardware; and the last converted model."""
    calibration = [torch.from_numpy(mnist().train_images[:CALIBRATION_IMAGES])]
    example = torch.from_numpy(mnist().test_images[:1])
    rows = [("float32", train.right_answers(net, images) / images, 0.0, 0.0)]
    for name in names:
        converted = apc.nn.convert(net, name, calibration=calibration)
        summary = apc.nn.summary(converted, example)
        apc.nn.restart(converted)
        accuracy = train.right_answers(converted, images) / images
        rows.append((name, accuracy, 1e6 * summary.energy_J, 1e6 * summary.latency_s))
    return Table(COLUMNS, rows), converted


def main() -> None:
    parser = argparse.ArgumentParser(description="a pretrained network onto presets of hardware")
    parser.add_argument("--network", choices=NETWORKS, default="resnet")
    parser.add_argument("--state", type=Path, metavar="FILE", help="a state dict (default: the network is trained)")
    parser.add_argument("--hardware", nargs="+", default=list(HARDWARE), metavar="NAME", help="presets and files")
    parser.add_argument("--images", type=int, default=500, help="test images (default: 500)")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="where trained networks are kept")
    args = parser.parse_args()
    table, converted = onto(pretrained(args.network, args.state, args.cache), args.hardware, args.images)
    print(table.text(), end="\n\n")
    print(apc.nn.summary(converted, torch.from_numpy(mnist().test_images[:1])))


if __name__ == "__main__":
    main()
