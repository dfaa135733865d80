"""What the studies of SRAM arrays share: a field of ``apc.acim.AcimConfig`` varied along lines, on both networks.

Every network is the float32 one of ``examples.nn.train``, converted with 8-bit weights and activations and scales
calibrated on training images; nothing is trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

import apc
from apc.intervals import interval
from examples.common import one_thread
from examples.nn import train
from examples.nn.train import NETWORKS, mnist
from examples.studies.study import Study, Table, in_processes, panels, run_study, save_figure

CALIBRATION_IMAGES = 256
LOSS = 0.01
"""What counts as bearable: a point, to which images are too few to say more."""
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """``values`` of the field ``x`` of a configuration, for each of ``lines``: the same other fields with other values.

    ``common``: fields of every point; ``quick``: the values of a quick run, which has the first line only.
    """

    name: str
    description: str
    x: str
    values: Sequence[Any]
    lines: Sequence[Fields]
    quick: Sequence[Any]
    common: Fields = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("network", *self.lines[0], self.x, "accuracy", "low", "high", "exact", "energy_uJ")

    def main(self) -> None:
        """The study's command."""
        run_study(self.name, self.description, self.study, images=400, networks=tuple(NETWORKS))

    def study(self, asked: Study) -> None:
        table = self.measured(asked)
        table.save(asked.output / f"{self.name}.csv")
        print(table.text())
        self.draw(table, asked)
        self.tell(table, asked)

    def measured(self, asked: Study) -> Table:
        """Accuracy and energy per image of every point, beside the network's accuracy in exact integers."""
        places = [
            (network, line, value)
            for network in asked.networks
            for line in asked.pick(self.lines, self.lines[:1])
            for value in asked.pick(self.values, self.quick)
        ]
        jobs: list[tuple[str, Fields | None]] = [(network, None) for network in asked.networks]
        jobs += [(network, {**self.common, **line, self.x: value}) for network, line, value in places]
        for network in asked.networks:
            train.network(network, asked.cache, quick=asked.quick)
        settings = (asked.images, asked.quick, asked.cache)
        found = in_processes(measure, [(*job, *settings) for job in jobs], asked.workers)
        exact = {network: right / asked.images for network, (right, _) in zip(asked.networks, found, strict=False)}
        rows: list[tuple[Any, ...]] = []
        for (network, line, value), (right, energy) in zip(places, found[len(exact) :], strict=True):
            it = interval([right], asked.images)
            rows.append((network, *line.values(), value, it.mean, it.low, it.high, exact[network], 1e6 * energy))
        return Table(self.columns, rows)

    def drawn_lines(self, table: Table, network: str) -> list[tuple[str, Table]]:
        """The rows of each line, with what tells it from the others."""
        found = [(", ".join(f"{key} {value}" for key, value in line.items()), line) for line in self.lines]
        selected = [(label, table.select(network=network, **line)) for label, line in found]
        return [(label, rows) for label, rows in selected if rows.rows]

    def draw(self, table: Table, asked: Study) -> None:
        """A row a network: accuracy against the field, and against energy."""
        figure, axes = panels(2 * len(asked.networks), len(asked.networks))
        for row, network in enumerate(asked.networks):
            along, plane = axes[2 * row : 2 * row + 2]
            for label, line in self.drawn_lines(table, network):
                means = line.column("accuracy")
                along.plot(line.column(self.x), means, marker="o", markersize=3, label=label)
                along.fill_between(line.column(self.x), line.column("low"), line.column("high"), alpha=0.15)
                plane.plot(line.column("energy_uJ"), means, marker="o", markersize=3)
            for ax in (along, plane):
                ax.axhline(table.select(network=network).column("exact")[0], color="0.5", linewidth=0.8, linestyle=":")
                ax.set(ylim=(0, 1), ylabel="accuracy")
            along.set(title=f"{network}, 8-bit weights and activations", xlabel=self.x)
            plane.set(title="dotted: exact integers", xlabel="energy per image / uJ", xscale="log")
            along.legend(fontsize=7)
        save_figure(figure, asked.output / f"{self.name}.svg")

    def tell(self, table: Table, asked: Study) -> None:
        """For each line, the values that cost at most a point."""
        for network in asked.networks:
            for label, line in self.drawn_lines(table, network):
                (limit,) = set(line.column("exact"))
                pairs = zip(line.column(self.x), line.column("accuracy"), strict=True)
                good = [f"{value}" for value, mean in pairs if mean > limit - LOSS - 1e-9]
                shown = ", ".join(good) if good else f"none (best {max(line.column('accuracy')):.1%})"
                print(f"{network}, {label}: {self.x} within a point of {limit:.1%}: {shown}")


@one_thread()
def measure(network: str, fields: Fields | None, images: int, quick: bool, cache: Path) -> tuple[int, float]:
    """How many of the first test images a network is right about, and its energy per image in joules, on arrays with
    these fields; None: in exact integers, at no energy."""
    net = converted(network, fields, quick, cache)
    energy = apc.nn.summary(net, torch.from_numpy(mnist().test_images[:1])).energy_J if fields is not None else 0.0
    apc.nn.restart(net)
    return train.right_answers(net, images), energy


def converted(network: str, fields: Fields | None, quick: bool, cache: Path) -> nn.Module:
    """The network with 8-bit weights and activations, calibrated, on arrays with these fields or in exact integers."""
    hardware = apc.nn.Software() if fields is None else apc.acim.AcimConfig(**fields)
    images = torch.from_numpy(mnist().train_images[:CALIBRATION_IMAGES])
    return apc.nn.convert(train.network(network, cache, quick=quick), hardware, calibration=[images])
