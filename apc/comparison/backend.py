"""What a comparison knows of a design, whatever it is: its price, its figures, and its price with another figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apc.intervals import Interval
from backends.cost import CostReport
from backends.target import Figure


@dataclass(frozen=True)
class Accuracy:
    """``agreement``: share of ``images`` whose class is that of the exact network; ``accuracy``: share that is taken
    for what it is, where labels are known. Both with their 95 % interval."""

    images: int
    agreement: Interval
    accuracy: Interval | None = None


@dataclass(frozen=True, eq=False)
class Backend:
    """A priced design.

    ``preset``: the name by which ``--set`` and ``--against`` know it; ``name``: that of its target, with what was
    overridden; ``kind``: "rtm-ap", or that of its arrays. ``report``: energy per image, and the latency of
    ``report.images`` that go through the layers together. ``batch`` images are compared; they take ``batch_s`` seconds.
    ``macs``: multiply-accumulates per image that it executes. ``events``: figures that the energy is linear in, and how
    many events of each there are in an image. ``reprice``: the energy in joules per image with one figure at another
    value; raises UserError where the target takes no such value. ``energy_source``: whether data decided the energy, in
    words. ``notes``: what a reader must know to compare it, one line each.
    """

    preset: str
    name: str
    kind: str
    description: str
    overrides: Sequence[str]
    report: CostReport
    batch: int
    batch_s: float
    macs: int
    figures: Sequence[Figure]
    reprice: Callable[[str, float], float]
    energy_source: str
    events: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    accuracy: Accuracy | None = None

    @property
    def energy_J(self) -> float:
        """Per image."""
        return self.report.energy_by_component_J()["total"]

    @property
    def image_s(self) -> float:
        """Time an image takes: that of a batch over its images."""
        return self.batch_s / self.batch

    @property
    def area_m2(self) -> float:
        return self.report.area_m2()["total"]

    @property
    def energy_delay_Js(self) -> float:
        """Energy of an image times the time it takes."""
        return self.energy_J * self.image_s

    @property
    def energy_per_mac_J(self) -> float:
        """Over the multiply-accumulates that it executes."""
        return self.energy_J / self.macs

    @property
    def tops_per_W(self) -> float:
        """1e12 operations a joule, where an executed multiply-accumulate is two operations."""
        return 2 * self.macs / self.energy_J / 1e12

    @property
    def movement_share(self) -> float:
        """Share of the energy that moves activations and partial sums between arrays, buffers and DRAM, without that of
        the buffers themselves."""
        return self.report.energy_by_component_J().get("movement", 0.0) / self.energy_J

    def counter(self, name: str) -> float:
        """A counter of the layers, per image."""
        return sum(layer.counters.get(name, 0.0) for layer in self.report.layers) / self.report.images
