"""Fine-tuning through simulated hardware: accuracy under noise before and after, with 4-bit weights and activations.

    python -m examples.nn.finetune [--network vit|resnet]

The float32 network is converted onto SRAM arrays with noise in every conversion, and trained on for two epochs:
forwards through the arrays, noise and all, backwards straight through. Rare large activations are clipped before and
after, so that what is left is large beside the noise.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import apc
from apc.intervals import interval
from examples.common import one_thread
from examples.nn import train
from examples.nn.sweep import CALIBRATION_IMAGES
from examples.nn.train import NETWORKS, mnist
from examples.qat import fit
from examples.studies.study import Study, Table, in_processes, panels, run_study, save_figure

NOISE_LSB = (0.0, 0.3, 0.5, 0.7, 1.0)
BITS = 4
ADC_BITS = 8
PERCENTILE = 99
"""Of the activations that are not clipped."""
EPOCHS = 2
RATE = 0.002
COLUMNS = ("network", "noise_lsb", "before", "after", "low", "high")
"""``low`` and ``high``: of ``after``."""


def study(asked: Study) -> None:
    for network in asked.networks:
        train.network(network, asked.cache, quick=asked.quick)
    places = [(network, noise) for network in asked.networks for noise in asked.pick(NOISE_LSB, NOISE_LSB[-1:])]
    pairs = in_processes(
        finetune, [(*place, asked.images, asked.quick, asked.cache) for place in places], asked.workers
    )
    table = Table(COLUMNS, [])
    for place, (before, after) in zip(places, pairs, strict=True):
        it = interval([after], asked.images)
        table.rows.append((*place, before / asked.images, it.mean, it.low, it.high))
    table.save(asked.output / "nn_finetune.csv")
    print(table.text())
    draw(table, asked)


def converted(network: str, noise_lsb: float, quick: bool, cache: Path) -> nn.Module:
    """The network on noisy arrays, calibrated on training images."""
    hardware = apc.acim.AcimConfig(weight_bits=BITS, activation_bits=BITS, adc_bits=ADC_BITS, noise_lsb=noise_lsb)
    quantisation = apc.nn.Quantisation(
        weight_bits=BITS, activation_bits=BITS, activation_scale="percentile", percentile=PERCENTILE
    )
    images = torch.from_numpy(mnist().train_images[:CALIBRATION_IMAGES])
    net = train.network(network, cache, quick=quick)
    return apc.nn.convert(net, hardware, quantisation=quantisation, calibration=[images])


@one_thread()
def finetune(network: str, noise_lsb: float, images: int, quick: bool, cache: Path) -> tuple[int, int]:
    """How many of the first test images the network is right about on noisy arrays, before and after training there."""
    net, data = converted(network, noise_lsb, quick, cache).eval(), mnist()
    before = train.right_answers(net, images)
    some = train.QUICK[network].images if quick else len(data.train_images)
    pictures, labels = torch.from_numpy(data.train_images[:some]), torch.from_numpy(data.train_labels[:some])
    fit(net, pictures, labels, epochs=EPOCHS, batch=train.BATCH, rate=RATE, reach=1, seed=1)
    apc.nn.restart(net)
    return before, train.right_answers(net.eval(), images)


def draw(table: Table, asked: Study) -> None:
    figure, axes = panels(len(asked.networks))
    for ax, network in zip(axes, asked.networks, strict=True):
        rows = table.select(network=network)
        for name in ("before", "after"):
            ax.plot(rows.column("noise_lsb"), rows.column(name), marker="o", markersize=3, label=f"{name} fine-tuning")
        ax.set(ylim=(0, 1), xlabel="noise / LSB", ylabel="accuracy")
        ax.set_title(f"{network}, {BITS}-bit weights and activations, {ADC_BITS}-bit ADC", fontsize=9)
    axes[0].legend(fontsize=7)
    save_figure(figure, asked.output / "nn_finetune.svg")


def main() -> None:
    run_study("nn_finetune", "fine-tuning through noisy SRAM arrays", study, images=400, networks=tuple(NETWORKS))


if __name__ == "__main__":
    main()
